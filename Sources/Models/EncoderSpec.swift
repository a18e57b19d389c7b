import Torch

/// What an encoder is: all that a file of weights must state so that it can be used.
public struct EncoderSpec: Codable, Sendable, Equatable {
  public var arch: Architecture
  /// A residual network's first layers; the architecture's own unless given.
  public var stem: Stem?
  /// Heads of a vision transformer's attention; ``Architecture/defaultHeads`` unless given.
  public var heads: Int?
  /// Pixels of an image's side, at least 1.
  public var imageSize: Int
  public var normalization: Normalization
  /// What follows the features; nil where there is nothing.
  public var head: Head?

  public init(
    arch: Architecture, stem: Stem? = nil, heads: Int? = nil, imageSize: Int = 224,
    normalization: Normalization = .imageNet, head: Head? = nil
  ) {
    self.arch = arch
    self.stem = stem
    self.heads = heads
    self.imageSize = imageSize
    self.normalization = normalization
    self.head = head
  }

  /// The network with fresh weights.
  /// - Parameters:
  ///   - bnGroups: groups of the batch normalisations of a ResNet or a convolutional stem; see `BatchNorm2d`.
  ///   - zeroResiduals: whether a ResNet's residual blocks start as the identity; see ``ResNet``.
  ///   - freezesProjection: whether a transformer's patch projection stays as it is drawn.
  ///   - device: where it is moved to.
  ///   - generator: draws the weights.
  public func makeEncoder(
    bnGroups: Int = 1, zeroResiduals: Bool = false, freezesProjection: Bool = true, on device: Device = .cpu,
    using generator: Generator
  ) -> ImageEncoder {
    let backbone: any Backbone =
      arch.isTransformer
      ? VisionTransformer(
        arch, imageSize: imageSize, heads: heads, bnGroups: bnGroups, freezesProjection: freezesProjection,
        using: generator)
      : ResNet(arch, stem: stem, bnGroups: bnGroups, zeroResiduals: zeroResiduals, using: generator)
    let encoder = ImageEncoder(backbone, head: head?.makeLayers(inputs: arch.featureSize, using: generator))
    encoder.move(to: device)
    return encoder
  }
}
