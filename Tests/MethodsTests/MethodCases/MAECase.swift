import TestSupport
import Testing
import Torch
@testable import Methods
@testable import Models

/// Masked auto-encoding.
enum MAECase {
  static func check(_ file: MethodCase) throws {
    let networks = try MaskedCase(file)
    let encoder = try networks.encoder()
    let method = MAE(try networks.masking, encoder: encoder, decoder: try networks.decoder(behind: encoder))
    try networks.setWeights(of: method, from: file)
    expectClose(encoder.transformer.posEmbed.tensor, try file.digest("position_embedding"))
    // Matrices are decayed in any case.
    let decayed = method.trainable.filter { $0.tensor.rank > 2 }.map(\.name)
    #expect(Set(decayed) == Set(try file.texts("decayed")))

    let settings = networks.settings
    let (images, noises) = (try settings.integers("image_salts"), try settings.integers("noise_salts"))
    let optimizer = try networks.optimizer(of: method)
    var losses: [Double] = []
    for (step, (image, noise)) in zip(images, noises).enumerated() {
      let (x, mask) = (networks.images(salt: image) * 2, try networks.mask(noise: noise))
      if step == 0 { try checkForward(method, x, mask, try file.at("first_step")) }
      let loss = method.forward(x, mask).loss
      loss.backward()
      if step == 0 { try checkGradients(method, try file.at("first_step").named("gradient_norms")) }
      optimizer.step(learningRate: try networks.learningRate())
      losses.append(loss.item())
    }
    expectClose(losses, try file.numbers("losses"), "losses")
    networks.expectNorms(try file.at("final").named("norms"), of: method)
  }

  private static func checkForward(_ method: MAE, _ x: Tensor, _ mask: PatchMask, _ first: MethodCase) throws
  {
    try withNoGrad {
      let network = method.encoderQ.transformer
      let patches = patchified(x, size: network.patchSize)
      let latent = network.tokens(of: patches, keeping: mask)
      expectClose(patches, try first.digest("patches"))
      expectClose(latent, try first.digest("latent"))
      expectClose(method.decoder.predictedEverywhere(latent, mask), try first.digest("prediction"))
      expectClose(mask.isHidden, try first.digest("mask"))
      expectClose(mask.places, try first.digest("ids_restore"))
      #expect(mask.kept == (try first.integer("kept")))
      #expect(mask.places.selected(0).array(of: Int.self) == (try first.integers("ids_restore_first_image")))
      // The hidden patches alone, in the mask's order, are the same predictions.
      let all = mask.hidden(method.decoder.predictedEverywhere(latent, mask))
      let difference = (method.decoder.predicted(latent, mask) - all).abs().max().item()
      #expect(difference <= 1e-12 * all.abs().max().item())  // products of other sizes sum in another order
    }
  }

  private static func checkGradients(_ method: MAE, _ theirs: [String: Double]) throws {
    var ours: [String: Double] = [:]
    for entry in method.trainable { ours[entry.name] = entry.tensor.gradient?.norm().item() }
    expectClose(ours, theirs, "gradients of the first step")
  }

  static func checkLearningRate(_ file: MethodCase) throws {
    let columns = try file.texts("columns")
    for (place, row) in try file.numberRows("rows").enumerated() {
      let numbers = Dictionary(uniqueKeysWithValues: zip(columns, row))
      func number(_ name: String) throws -> Double { try #require(numbers[name], "\(name) of row \(place)") }
      let epoch = try number("step") / number("steps_per_epoch") + number("epoch")
      let rate = Schedule.cosine.rate(
        base: try number("base_lr") * number("batch") / 256, epoch: epoch, epochs: Int(try number("epochs")),
        warmUp: try number("warmup_epochs"), least: try number("min_lr"))
      expectClose(rate, try number("lr"), "rate of row \(place)")
    }
  }
}
