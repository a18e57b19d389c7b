import TestSupport
import Testing
import Torch
@testable import Methods

/// K-means: several cases in a file.
enum KMeansCase {
  static func check(_ file: MethodCase) throws {
    for (_, part) in file.children { try checkPart(part) }
  }

  private static func checkPart(_ part: MethodCase) throws {
    let settings = try part.settings
    let shape = [try settings.integer("points"), try settings.integer("dim")]
    let drawn = formula(salt: try settings.integer("salt"), shape: shape)
    let points = try settings.flag("normalised") ? l2Normalized(drawn) : drawn  // n×C
    let start = points.indexSelected(Tensor(try settings.integers("centres_from")))  // m×C
    if settings.has("far") {
      for centre in try settings.integers("far") { start.selected(centre).multiply(by: 10) }
    }
    let iterations = try settings.integer("iterations")
    let kMeans = KMeans(iterations: iterations, isSpherical: try settings.flag("spherical"))
    let found = kMeans(points, startingFrom: start)

    #expect(try found.labels.array() == part.integers("labels"), "\(part.name)")
    #expect(try found.sizes == part.integers("sizes"), "\(part.name)")
    expectClose(found.centres, try part.digest("centres"))
    // We end when the labels repeat: all further iterations are the last one again.
    let last = found.objectives.count - 1
    expectClose(
      (0..<iterations).map { found.objectives[min($0, last)] }, try part.numbers("objective"),
      "\(part.name): objective")
    expectClose(found.objectives[last], try part.number("objective_after"), "\(part.name): objective after")
    let splits = (0..<iterations).map { found.splits[min($0, last - 1)].map { [$0.cluster, $0.donor] } }
    #expect(try splits == part.integerTables("splits"), "\(part.name)")
  }
}
