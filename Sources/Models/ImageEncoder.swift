import Torch

/// A backbone with a head behind its features: N×3×H×W → N×outputs. Without a head its outputs are the features.
///
/// The state has the backbone's names, and the head's below `fc` or `head`: with an MLP head a ResNet's is `fc.0` and
/// `fc.2`, as in the published MoCo v2 checkpoints.
///
///     let encoder = EncoderSpec(arch: .resnet50).makeEncoder(using: Generator(seed: 0))
///     encoder.features(x)              // N×2048, pooled
///     encoder.backbone.featureMaps(x)  // C2 to C5, for detection
public final class ImageEncoder: Module {
  public let backbone: any Backbone
  public let head: Module?

  public init(_ backbone: any Backbone, head: Module?) {
    self.backbone = backbone
    self.head = head
  }

  public override func stateName(of property: String) -> String? {
    property == "backbone" ? nil : architecture.headName
  }

  public var architecture: Architecture { backbone.architecture }

  /// The backbone of an encoder that is a vision transformer.
  public var transformer: VisionTransformer {
    guard let transformer = backbone as? VisionTransformer else {
      preconditionFailure("\(architecture.rawValue) is no vision transformer")
    }
    return transformer
  }

  /// The features that transfer, before the head: N×3×H×W → N×``Architecture/featureSize``.
  /// - Parameter stage: the stage whose output is taken; the last unless given.
  public func features(_ x: Tensor, stage: Int? = nil) -> Tensor { backbone.features(x, stage: stage) }

  /// The head's outputs of features: N×``Architecture/featureSize`` → N×outputs; the features without a head.
  public func project(_ features: Tensor) -> Tensor { head.map { $0(features) } ?? features }

  public override func forward(_ x: Tensor) -> Tensor { project(features(x)) }
}
