import TestSupport
import Testing
import Torch
@testable import Methods

/// The loss of triplets, and its gradients through the normalisation of the rows.
enum TripletCase {
  static func check(_ file: MethodCase) throws {
    let salts = try file.integers("salts")
    let shape = [try file.integer("rows"), try file.integer("dim")]
    let anchors = formula(salt: salts[0], shape: shape)
    let positives = anchors * (try file.number("near")) + formula(salt: salts[1], shape: shape)
    let negatives = formula(salt: salts[2], shape: shape)
    let rows = [("anchor", anchors), ("positive", positives), ("negative", negatives)]
    for (_, row) in rows { row.requiresGrad = true }

    let loss = TripletLoss(margin: try file.number("margin"))
    let terms = loss.terms(l2Normalized(anchors), l2Normalized(positives), l2Normalized(negatives))
    expectClose(terms.detached().array(of: Double.self), try file.numbers("terms"), "\(file.name): terms")
    let mean = terms.mean()
    expectClose(mean.item(), try file.number("loss"), "\(file.name): loss")
    mean.backward()
    let gradients = try file.at("gradients")
    for (name, row) in rows { expectClose(try #require(row.gradient), try gradients.digest(name)) }
  }
}
