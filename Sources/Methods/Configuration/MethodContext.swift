import Models
import Torch

/// The surroundings in which a method is made.
public struct MethodContext {
  /// Images of the data set, of which a memory bank has a row each.
  public let images: Int
  public let device: Device
  public let ranks: ProcessGroup
  public let seed: UInt64
  /// Draws all first weights, in the order in which they are made.
  public let generator: Generator
  private let spec: EncoderSpec
  private let config: RunConfig

  /// - Parameters:
  ///   - spec: the encoder.
  ///   - images: of the data set.
  ///   - ranks: the processes that train together.
  ///   - seed: of the first weights and of all that the method draws.
  public init(
    _ config: RunConfig, spec: EncoderSpec, images: Int, on device: Device, ranks: ProcessGroup = .alone,
    seed: UInt64
  ) {
    (self.config, self.spec, self.images) = (config, spec, images)
    (self.device, self.ranks, self.seed) = (device, ranks, seed)
    generator = Generator(seed: seed)
  }

  /// The network with fresh weights.
  public func encoder() -> ImageEncoder {
    let encoder = spec.makeEncoder(
      bnGroups: config.bnSplits, zeroResiduals: config.kind.zeroResiduals,
      freezesProjection: config.stopGradConv1, on: device, using: generator)
    synchronize(encoder)
    return encoder
  }

  /// Layers behind an encoder, with fresh weights.
  public func layers(_ head: Head, inputs: Int) -> Module {
    let layers = head.makeLayers(inputs: inputs, using: generator)
    layers.move(to: device)
    synchronize(layers)
    return layers
  }

  /// A bank of random rows. Made after the encoder, which must not depend on the number of images.
  public func bank() -> MemoryBank {
    MemoryBank(
      images: images, dimension: config.mocoDim, on: config.bank == .cpu ? .cpu : device, using: generator)
  }

  private func synchronize(_ module: Module) {
    if config.syncBN { module.synchronizeBatchNorm(over: ranks) }
  }
}
