/// The networks, by torchvision's names and MoCo v3's.
public enum Architecture: String, Codable, Sendable, CaseIterable {
  case resnet18, resnet34, resnet50, resnet101, resnet152
  case resnext50 = "resnext50_32x4d"
  case wideResnet50x2 = "wide_resnet50_2"
  case wideResnet50x4 = "wide_resnet50_4"
  /// Small networks for demos and work on a CPU: a 3×3 stem, then stages of 16, 32 and 64 channels with one
  /// basic block each, every change of shape by projection.
  case resnet8
  /// The same with three blocks a stage.
  case resnet20
  /// A small transformer for demos and work on a CPU, on patches of 4×4 pixels of images of about 32: four blocks of 192
  /// channels.
  case vitMini = "vit_mini"
  /// Transformers on patches of 16×16 pixels, with ``defaultHeads`` heads unless given.
  case vitSmall = "vit_small"
  case vitBase = "vit_base"
  /// The same with four convolutions in place of the patch projection and of one block.
  case vitConvSmall = "vit_conv_small"
  case vitConvBase = "vit_conv_base"

  package var block: BlockKind {
    switch self {
    case .resnet8, .resnet20, .resnet18, .resnet34: .basic
    default: .bottleneck
    }
  }

  /// Blocks a stage of a residual network.
  package var depths: [Int] {
    switch self {
    case .resnet8: [1, 1, 1]
    case .resnet20: [3, 3, 3]
    case .resnet18: [2, 2, 2, 2]
    case .resnet34, .resnet50, .resnext50, .wideResnet50x2, .wideResnet50x4: [3, 4, 6, 3]
    case .resnet101: [3, 4, 23, 3]
    case .resnet152: [3, 8, 36, 3]
    case .vitMini, .vitSmall, .vitBase, .vitConvSmall, .vitConvBase: []
    }
  }

  /// Channels of the first stage; each further stage has twice as many.
  package var width: Int {
    switch self {
    case .resnet8, .resnet20: 16
    default: 64
    }
  }

  /// Groups of a bottleneck's 3×3 convolution (ResNeXt's cardinality).
  package var groups: Int { self == .resnext50 ? 32 : 1 }

  /// Channels of a bottleneck's 3×3 convolution per 64 of the stage, in each group.
  package var widthPerGroup: Int {
    switch self {
    case .resnext50: 4
    case .wideResnet50x2: 128
    case .wideResnet50x4: 256
    default: 64
    }
  }

  /// Channels that stage `index`, from 0, of a residual network gives.
  func channels(ofStage index: Int) -> Int { (width << index) * block.expansion }

  /// The stem of this residual network unless given.
  public var defaultStem: Stem {
    switch self {
    case .resnet8, .resnet20: .cifar
    default: .imageNet
    }
  }

  /// Whether it is a vision transformer, not a residual network.
  public var isTransformer: Bool { transformer != nil }

  /// Whether batch normalisation is in it: in residual networks and in a convolutional stem. (Not counting heads.)
  public var hasBatchNorm: Bool { transformer?.hasConvolutionalStem ?? true }

  /// The name of the layers behind the features in files of weights: torchvision's `fc`, timm's `head`.
  public var headName: String { isTransformer ? "head" : "fc" }

  /// Size of the features.
  public var featureSize: Int {
    transformer?.width ?? channels(ofStage: depths.count - 1)
  }
}

/// The layers before the first stage of a residual network.
public enum Stem: String, Codable, Sendable, CaseIterable {
  /// 7×7 with stride 2, then 3×3 max pooling with stride 2: a quarter of the image's size.
  case imageNet = "imagenet"
  /// 3×3 with stride 1 and no pooling, for images of about 32 pixels.
  case cifar

  /// Pixels of zeros around an image before the 3×3 convolution, so that its size stays.
  public static let cifarPadding = 1
}

package enum BlockKind {
  case basic, bottleneck

  /// Output channels over the stage's width.
  package var expansion: Int { self == .basic ? 1 : 4 }
}
