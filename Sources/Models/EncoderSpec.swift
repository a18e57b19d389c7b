import Torch

/// All that a file of weights must state so that its encoder can be used.
///
///     let spec = EncoderSpec(arch: .resnet50, head: .mlp(outputs: 128))
///     let encoder = spec.makeEncoder(using: Generator(seed: 0))  // fresh weights
///     encoder(x)                                                 // N×3×224×224 → N×128
public struct EncoderSpec: Codable, Sendable, Equatable {
  public var arch: Architecture
  /// A residual network's first layers; the architecture's own unless given.
  public var stem: Stem?
  /// Heads of a vision transformer's attention; ``Architecture/defaultHeads`` unless given.
  public var heads: Int?
  /// Pixels of an image's side, at least 1.
  public var imageSize: Int
  public var normalization: Normalization
  /// The layers behind the features; nil where there are none.
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
    let encoder = build(
      bnGroups: bnGroups, zeroResiduals: zeroResiduals, freezesProjection: freezesProjection, using: generator
    )
    encoder.move(to: device)
    return encoder
  }

  /// The network where its tensors were made, in the layout they were made in.
  private func build(
    bnGroups: Int = 1, zeroResiduals: Bool = false, freezesProjection: Bool = true, using generator: Generator
  ) -> ImageEncoder {
    let backbone: any Backbone =
      arch.isTransformer
      ? VisionTransformer(
        arch, imageSize: imageSize, heads: heads, bnGroups: bnGroups, freezesProjection: freezesProjection,
        using: generator)
      : ResNet(
        arch, stem: stem, norm: .batch(groups: bnGroups), zeroResiduals: zeroResiduals, using: generator)
    return ImageEncoder(backbone, head: head?.makeLayers(inputs: arch.featureSize, using: generator))
  }

  /// The tensors of the network by name, in its order. No weights are made for it.
  public var tensors: [TensorSpec] { build(using: .shapesOnly).tensorSpecs }

  /// The stem in a word: `imagenet` or `cifar` of a residual network, `patch` or `convolutional` of a transformer.
  package var stemName: String {
    if let transformer = arch.transformer {
      return transformer.hasConvolutionalStem ? "convolutional" : "patch"
    }
    return (stem ?? arch.defaultStem).rawValue
  }
}
