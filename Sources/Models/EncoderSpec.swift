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
  /// Pixels of zeros around an image before the 3×3 convolution of a ``Stem/cifar`` stem; 1 unless given.
  public var stemPadding: Int?
  /// Heads of a vision transformer's attention; ``Architecture/defaultHeads`` unless given.
  public var heads: Int?
  /// How a vision transformer's features are made of its tokens; ``Pooling/token`` unless given.
  public var pooling: Pooling?
  /// Pixels of an image's side, at least 1.
  public var imageSize: Int
  public var normalization: Normalization
  /// How an image gets its size in evaluation. Unless given its shorter side is resized to ``evaluationShortSide(_:)``
  /// and the centre cut out, and an image that has the size already is left alone.
  public var resizing: Resizing?
  /// The filter of the resizing; ``Interpolation/bilinear`` unless given.
  public var interpolation: Interpolation?
  /// The layers behind the features; nil where there are none.
  public var head: Head?

  public init(
    arch: Architecture, stem: Stem? = nil, stemPadding: Int? = nil, heads: Int? = nil,
    pooling: Pooling? = nil, imageSize: Int = 224, normalization: Normalization = .imageNet,
    resizing: Resizing? = nil, interpolation: Interpolation? = nil, head: Head? = nil
  ) {
    self.arch = arch
    (self.stem, self.stemPadding) = (stem, stemPadding)
    (self.heads, self.pooling) = (heads, pooling)
    self.imageSize = imageSize
    self.normalization = normalization
    (self.resizing, self.interpolation) = (resizing, interpolation)
    self.head = head
  }

  /// The network with fresh weights.
  /// - Parameters:
  ///   - bnGroups: groups of the batch normalisations of a ResNet or a convolutional stem; see `BatchNorm2d`.
  ///   - zeroResiduals: whether a ResNet's residual blocks start as the identity; see ``ResNet``.
  ///   - freezesProjection: whether a transformer's patch projection stays as it is drawn.
  ///   - fixesPositions: whether a transformer's positions stay as they are.
  ///   - start: the method whose first weights and positions a transformer has. Files of weights hold the positions, so
  ///     that it matters only to fresh ones.
  ///   - device: where it is moved to.
  ///   - generator: draws the weights.
  public func makeEncoder(
    bnGroups: Int = 1, zeroResiduals: Bool = false, freezesProjection: Bool = true,
    fixesPositions: Bool = true, start: VisionTransformer.Start = .mocoV3, on device: Device = .cpu,
    using generator: Generator
  ) -> ImageEncoder {
    let encoder = build(
      bnGroups: bnGroups, zeroResiduals: zeroResiduals, freezesProjection: freezesProjection,
      fixesPositions: fixesPositions, start: start, using: generator)
    encoder.move(to: device)
    return encoder
  }

  /// The network where its tensors were made, in the layout they were made in.
  private func build(
    bnGroups: Int = 1, zeroResiduals: Bool = false, freezesProjection: Bool = true,
    fixesPositions: Bool = true, start: VisionTransformer.Start = .mocoV3, using generator: Generator
  ) -> ImageEncoder {
    let backbone: any Backbone =
      arch.isTransformer
      ? VisionTransformer(
        arch, imageSize: imageSize, heads: heads, pooling: pooling ?? .token, bnGroups: bnGroups,
        freezesProjection: freezesProjection, fixesPositions: fixesPositions, start: start, using: generator)
      : ResNet(
        arch, stem: stem, stemPadding: stemPadding ?? Stem.cifarPadding, norm: .batch(groups: bnGroups),
        zeroResiduals: zeroResiduals, using: generator)
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
