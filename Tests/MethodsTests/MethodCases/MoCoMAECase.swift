import TestSupport
import Testing
import Torch
@testable import Methods
@testable import Models

/// Masked auto-encoding with a queue.
enum MoCoMAECase {
  static func check(_ file: MethodCase) throws {
    let networks = try MaskedCase(file)
    let settings = networks.settings
    let method = try method(networks)
    try networks.setWeights(of: method, from: file)
    method.encoderK.encoder.copyState(from: method.encoderQ)

    let (queries, keys) = (try settings.integers("query_salts"), try settings.integers("key_salts"))
    let noises = try settings.integers("noise_salts")
    let optimizer = try networks.optimizer(of: method)
    var losses: [Double] = []
    for (step, theirs) in try file.parts("steps").enumerated() {
      let xq = networks.images(salt: queries[step]) * 2
      let xk = networks.images(salt: keys[step]) + xq * 0.5
      method.beforeForward(momentum: try settings.number("m"))
      let (pixels, contrast, output) = method.losses(
        ViewBatch([xq, xk], step: step), try networks.mask(noise: noises[step]))
      output.loss.backward()
      optimizer.step(learningRate: try networks.learningRate())
      method.afterStep([output])
      losses.append(output.loss.item())
      expectClose(output.loss.item(), try theirs.number("loss"), "loss of step \(step)")
      expectClose(pixels.item(), try theirs.number("reconstruction"), "reconstruction of step \(step)")
      expectClose(contrast.item(), try theirs.number("contrast"), "contrast of step \(step)")
      guard theirs.has("query") else { continue }
      let features = try #require(output.features)
      expectClose(features.queries, try theirs.digest("query"))
      expectClose(features.keys, try theirs.digest("key"))
    }
    expectClose(losses, try file.numbers("losses"), "losses")

    let final = try file.at("final")
    expectClose(method.queue.keys.transposed, try final.digest("queue"))
    #expect(method.queue.pointer == (try final.integer("queue_ptr")))
    networks.expectNorms(try final.named("norms"), of: method)
  }

  private static func method(_ networks: MaskedCase) throws -> MoCoMAE {
    let settings = networks.settings
    let (hidden, out) = (try settings.integer("hidden"), try settings.integer("out"))
    let head = Head.biasedMLP(hidden: hidden, outputs: out)
    let columns = formula(salt: try settings.integer("queue_salt"), shape: [out, try settings.integer("K")])
    let encoders = (query: try networks.encoder(head: head), key: try networks.encoder(head: head))
    return MoCoMAE(
      .init(
        temperature: try settings.number("T"), contrastWeight: try settings.number("contrast_weight")),
      try networks.masking, queue: KeyQueue(keys: l2Normalized(columns, dim: 0).transposed.contiguous()),
      predictor: networks.layers(head, inputs: out), decoder: try networks.decoder(behind: encoders.query),
      encoders: encoders)
  }
}
