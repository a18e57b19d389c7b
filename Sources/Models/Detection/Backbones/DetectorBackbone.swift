import Torch

/// A network whose maps boxes are found in.
protocol DetectorBackbone: Module {
  /// Channels of every level.
  var channels: Int { get }
  /// Pixels between two places, a number a level, finest first.
  var strides: [Int] { get }
  /// The levels that boxes are pooled from: the first so many.
  var pooledLevels: Int { get }
  /// A batch's height and width are multiples of this.
  var divisor: Int { get }

  /// The levels, finest first: N×3×H×W → N×C×⌈H/stride⌉×⌈W/stride⌉ each.
  func maps(_ x: Tensor) -> [Tensor]
}

extension DetectorBackbone {
  var pooledLevels: Int { strides.count }
  var divisor: Int { 1 }
}

extension DetectorSpec {
  func makeBackbone(norm: ResNet.Norm, using generator: Generator) -> any DetectorBackbone {
    switch detector {
    case .c4: Conv4(self, norm: norm, using: generator)
    case .dc5: DilatedConv5(self, norm: norm, using: generator)
    case .fpn: FPN(self, norm: norm, using: generator)
    case .vit: TransformerMap(self, using: generator)
    }
  }

  /// The residual network, from its stem to `stages` stages.
  func makeResNet(
    stages: Int, dilatesLastStage: Bool = false, norm: ResNet.Norm, using generator: Generator
  ) -> ResNet {
    ResNet(
      arch, norm: norm, stages: stages, dilatesLastStage: dilatesLastStage,
      frozenStages: min(freezeAt, stages + 1), using: generator)
  }
}

/// A ResNet up to conv4: one map of stride 16.
final class Conv4: Module, DetectorBackbone {
  let body: ResNet
  let strides = [16]
  let channels: Int

  init(_ spec: DetectorSpec, norm: ResNet.Norm, using generator: Generator) {
    body = spec.makeResNet(stages: 3, norm: norm, using: generator)
    channels = spec.arch.channels(ofStage: 2)
  }

  override func stateName(of property: String) -> String? { nil }

  func maps(_ x: Tensor) -> [Tensor] { body.featureMaps(x).suffix(1) }
}

/// A ResNet whose conv5 keeps conv4's size by dilation, and a 3×3 convolution to 512 channels with a normalisation (He et
/// al. 2020, appendix A): one map of stride 16.
final class DilatedConv5: Module, DetectorBackbone {
  let body: ResNet
  let reduce: ConvNorm
  let strides = [16]
  let channels = 512

  init(_ spec: DetectorSpec, norm: ResNet.Norm, using generator: Generator) {
    body = spec.makeResNet(stages: 4, dilatesLastStage: true, norm: norm, using: generator)
    reduce = ConvNorm(
      Conv2d(spec.arch.featureSize, channels, kernel: 3, padding: 1, using: generator), norm: norm,
      hasReLU: true)
  }

  func maps(_ x: Tensor) -> [Tensor] { body.featureMaps(x).suffix(1).map { reduce($0) } }
}

/// The patches of a vision transformer: one map, a place for each patch, of square images of one size.
final class TransformerMap: Module, DetectorBackbone {
  let body: VisionTransformer
  let strides: [Int]
  let channels: Int
  let divisor: Int

  init(_ spec: DetectorSpec, using generator: Generator) {
    body = VisionTransformer(spec.arch, imageSize: spec.imageSize, using: generator)
    strides = [body.patchSize]
    channels = spec.arch.featureSize
    divisor = spec.imageSize
  }

  override func stateName(of property: String) -> String? { nil }

  func maps(_ x: Tensor) -> [Tensor] { body.featureMaps(x) }
}
