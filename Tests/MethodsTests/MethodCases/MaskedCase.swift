import TestSupport
import Testing
import Torch
@testable import Methods
@testable import Models

/// The networks and inputs of a case of masked images, in float64, all numbers by the file's.
struct MaskedCase {
  let settings: MethodCase
  let batch: Int
  let image: Int
  let plan: Architecture.Transformer
  private let generator = Generator(seed: 1)

  init(_ file: MethodCase) throws {
    settings = try file.settings
    (batch, image) = (try settings.integer("batch"), try settings.integer("image"))
    plan = Architecture.Transformer(
      width: try settings.integer("dim"), depth: try settings.integer("depth"),
      patch: try settings.integer("patch"), mlpRatio: try settings.number("mlp_ratio"),
      epsilon: try settings.number("norm_eps"))
  }

  /// Patches L of an image.
  var patches: Int { (image / plan.patch) * (image / plan.patch) }
  var kept: Int { get throws { PatchMask.kept(of: patches, ratio: try settings.number("mask_ratio")) } }

  var masking: MaskedReconstruction {
    get throws {
      MaskedReconstruction(
        maskRatio: try settings.number("mask_ratio"), normalizesPixels: try settings.flag("norm_pix_loss"),
        seed: 1)
    }
  }

  /// The architecture's name stands for the sizes of the case.
  func encoder(head: Head? = nil) throws -> ImageEncoder {
    let network = VisionTransformer(
      .vitMini, plan, imageSize: image, heads: try settings.integer("heads"), pooling: .average,
      freezesProjection: false, start: .mae, using: generator)
    let encoder = ImageEncoder(network, head: head?.makeLayers(inputs: plan.width, using: generator))
    encoder.convert(to: .float64)
    return encoder
  }

  func decoder(behind encoder: ImageEncoder) throws -> MAEDecoder {
    let sizes = MAEDecoder.Settings(
      width: try settings.integer("decoder_dim"), depth: try settings.integer("decoder_depth"),
      heads: try settings.integer("decoder_heads"))
    let decoder = MAEDecoder(sizes, behind: encoder.transformer, plan, using: generator)
    decoder.convert(to: .float64)
    return decoder
  }

  func layers(_ head: Head, inputs: Int) -> Module {
    let layers = head.makeLayers(inputs: inputs, using: generator)
    layers.convert(to: .float64)
    return layers
  }

  /// u of the formula, N×3×H×W.
  func images(salt: Int) -> Tensor { formula(salt: salt, shape: [batch, 3, image, image]) }

  func mask(noise salt: Int) throws -> PatchMask {
    PatchMask(noise: (formula(salt: salt, shape: [batch, patches]) + 1) / 2, keeping: try kept)
  }

  func optimizer(of method: any Method) throws -> AdamW {
    let numbers = try settings.at("optimizer")
    let betas = try numbers.numbers("betas")
    try #require(try numbers.text("name") == "AdamW" && betas.count == 2)
    return AdamW(
      method.trainable.map(\.tensor), beta1: betas[0], beta2: betas[1], epsilon: try numbers.number("eps"),
      weightDecay: try numbers.number("weight_decay"), decaysVectors: false)
  }

  func learningRate() throws -> Double { try settings.at("optimizer").number("lr") }

  /// Our name of a published parameter: `key.projector.0.weight` is `encoder_k.head.0.weight`.
  static func ours(_ published: String) -> String {
    var name = Substring(published)
    let isKeys = name.hasPrefix("key.")
    if isKeys { name = name.dropFirst("key.".count) }
    if name.hasPrefix("mae.") { name = name.dropFirst("mae.".count) }
    if name.hasPrefix("decoder_") || name == "mask_token" || name.hasPrefix("predictor.") {
      return String(name)
    }
    if name.hasPrefix("projector.") { name = "head." + name.dropFirst("projector.".count) }
    return (isKeys ? "encoder_k." : "encoder_q.") + name
  }

  /// Sets the parameters of the file; positions are what they start as.
  func setWeights(of method: any Method, from file: MethodCase) throws {
    let tensors = Dictionary(uniqueKeysWithValues: method.state.map { ($0.name, $0.tensor) })
    let parameters = try file.parameters()
    try withNoGrad {
      for parameter in parameters where !parameter.name.hasSuffix("pos_embed") {
        let name = Self.ours(parameter.name)
        let tensor = try #require(tensors[name], "no tensor named \(name)")
        try #require(tensor.shape == parameter.shape, "\(name)")
        tensor.copy(from: parameter.start)
      }
    }
    let learned = parameters.count { !$0.name.hasSuffix("pos_embed") }
    #expect(learned == method.trainable.count, "parameters that are trained")
  }

  /// Compares the length of every tensor that the file names.
  func expectNorms(_ theirs: [String: Double], of method: any Method) {
    var ours: [String: Double] = [:]
    let tensors = Dictionary(uniqueKeysWithValues: method.state.map { ($0.name, $0.tensor) })
    for name in theirs.keys { ours[name] = tensors[Self.ours(name)]?.detached().norm().item() }
    expectClose(ours, theirs, "norms after the last step")
  }
}
