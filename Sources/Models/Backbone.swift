import Torch

/// A network that computes features of images: a ``ResNet`` or a ``VisionTransformer``. As a module it maps N×3×H×W to
/// N×``Architecture/featureSize``.
public protocol Backbone: Module {
  var architecture: Architecture { get }

  /// The number of stages whose outputs can be taken: those of a ``ResNet``, the blocks of a ``VisionTransformer``.
  var stageCount: Int { get }

  /// The features that transfer: N×3×H×W → N×``Architecture/featureSize``.
  /// - Parameter stage: the stage whose output is taken, 1 ... ``stageCount``; the last unless given.
  func features(_ x: Tensor, stage: Int?) -> Tensor

  /// The maps that detection and segmentation build on, finest first: N×3×H×W → N×C×h×w each.
  func featureMaps(_ x: Tensor) -> [Tensor]
}

extension Backbone {
  public func features(_ x: Tensor) -> Tensor { features(x, stage: nil) }
}
