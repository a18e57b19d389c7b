import Torch

/// A network that makes features of images, with a head behind them: a ``ResNet`` or a ``VisionTransformer``.
///
/// As a module's function it maps N×3×H×W to the head's N×outputs.
public protocol Backbone: Module {
  var architecture: Architecture { get }

  /// What follows the features: N×``Architecture/featureSize`` → N×outputs.
  var head: Module { get }

  /// Stages whose outputs can be looked at: those of a ``ResNet``, the blocks of a ``VisionTransformer``.
  var stageCount: Int { get }

  /// The features that transfer, before the head: N×3×H×W → N×``Architecture/featureSize``.
  /// - Parameter stage: the stage whose output is taken, 1 ... ``stageCount``; the last unless given.
  func features(_ x: Tensor, stage: Int?) -> Tensor
}

extension Backbone {
  public func features(_ x: Tensor) -> Tensor { features(x, stage: nil) }
}

extension Architecture {
  /// The network with fresh weights.
  /// - Parameters:
  ///   - head: What follows the features.
  ///   - stem: A ResNet's first layers; its own unless given.
  ///   - imageSize: Pixels of an image's side, which a transformer's positions depend on.
  ///   - heads: Of a transformer's attention; ``defaultHeads`` unless given.
  ///   - bnGroups: Groups of the batch normalisations of a ResNet or a convolutional stem; see `BatchNorm2d`.
  ///   - zeroResiduals: Whether a ResNet's residual blocks start as the identity; see ``ResNet``.
  ///   - freezesProjection: Whether a transformer's patch projection stays as it is drawn.
  ///   - generator: What the weights are drawn from.
  public func makeBackbone(
    head: Head, stem: Stem? = nil, imageSize: Int, heads: Int? = nil, bnGroups: Int = 1,
    zeroResiduals: Bool = false,
    freezesProjection: Bool = true, using generator: Generator
  ) -> any Backbone {
    isTransformer
      ? VisionTransformer(
        self, imageSize: imageSize, heads: heads, head: head, bnGroups: bnGroups,
        freezesProjection: freezesProjection,
        using: generator)
      : ResNet(
        self, stem: stem, head: head, bnGroups: bnGroups, zeroResiduals: zeroResiduals, using: generator)
  }
}
