import Models
import Torch

/// The inputs for making a method.
public struct MethodContext {
  /// The number of images in the data set; a memory bank has a row for each.
  public let images: Int
  public let device: Device
  public let ranks: ProcessGroup
  public let seed: UInt64
  /// The source of all initial weights, drawn in the order in which they are made.
  public let generator: Generator
  private let spec: EncoderSpec
  private let config: RunConfig

  /// - Parameters:
  ///   - spec: The encoder.
  ///   - images: The number of images in the data set.
  ///   - ranks: The processes that train together.
  ///   - seed: For the initial weights and all the method's draws.
  public init(
    _ config: RunConfig, spec: EncoderSpec, images: Int, on device: Device, ranks: ProcessGroup = .alone,
    seed: UInt64
  ) {
    (self.config, self.spec, self.images) = (config, spec, images)
    (self.device, self.ranks, self.seed) = (device, ranks, seed)
    generator = Generator(seed: seed)
  }

  /// The network with initial weights.
  public func encoder() -> ImageEncoder {
    let encoder = spec.makeEncoder(
      bnGroups: config.bnGroups(ranks: ranks.rank.count), zeroResiduals: config.kind.zeroResiduals,
      freezesProjection: config.stopGradConv1, start: config.kind.transformerStart, on: device,
      using: generator)
    synchronize(encoder)
    return encoder
  }

  /// Layers behind an encoder, with initial weights.
  public func layers(_ head: Head, inputs: Int) -> Module {
    let layers = head.makeLayers(inputs: inputs, using: generator)
    layers.move(to: device)
    synchronize(layers)
    return layers
  }

  /// The decoder behind a masked encoder, with initial weights.
  public func decoder(behind encoder: ImageEncoder) -> MAEDecoder {
    let settings = MAEDecoder.Settings(
      width: config.decoderDim, depth: config.decoderDepth, heads: config.decoderHeads)
    let decoder = MAEDecoder(settings, behind: encoder.transformer, using: generator)
    decoder.move(to: device)
    return decoder
  }

  /// A bank of random rows. Make it after the encoder, so that the encoder does not depend on the number of
  /// images.
  public func bank() -> MemoryBank {
    MemoryBank(
      images: images, dimension: config.mocoDim, on: config.bank == .cpu ? .cpu : device, using: generator)
  }

  private func synchronize(_ module: Module) {
    if config.syncBN { module.synchronizeBatchNorm(over: ranks) }
  }
}
