import Torch

/// All numbers of a detector: its structure, its sampling, its losses and its test.
///
///     var spec = DetectorSpec(.c4, arch: .resnet50, classes: 20)    // VOC, as MoCo's tables have it
///     spec.freezeAt = 2
///     let detector = GeneralizedRCNN(spec, using: Generator(seed: 0))
///
/// The defaults are those of MoCo's published configurations (He et al. 2020, appendix A) and of detectron2 0.6.
public struct DetectorSpec: Codable, Sendable, Equatable {
  /// Where the features come from that boxes are found in.
  public enum Detector: String, Codable, Sendable, CaseIterable {
    /// conv4 of a residual network, stride 16; conv5 works on each box (Ren et al. 2015; He et al. 2016).
    case c4
    /// conv5 with dilation 2, stride 16, and a 3×3 convolution behind it.
    case dc5
    /// A feature pyramid of four levels, and a fifth for proposals (Lin et al. 2017).
    case fpn
    /// The one map of a vision transformer, stride 16.
    case vit
  }

  /// How the backbone and the layers beside it are normalised.
  public enum Norm: String, Codable, Sendable, CaseIterable {
    /// Batch normalisation of each rank's batch alone.
    case plain
    /// A fixed map of each channel.
    case frozen
    /// Batch normalisation over all ranks' values.
    case sync
    /// Batch normalisation by the ranks' mean statistics, each rank's with equal weight: the published `naiveSyncBN`.
    case naiveSync = "naive-sync"

    /// The layers that are made for it. Those over all ranks are plain until
    /// ``Torch/Module/synchronizeBatchNorm(over:)``.
    var layers: ResNet.Norm { self == .frozen ? .frozen : .batch() }
  }

  public var detector: Detector
  public var arch: Architecture
  /// Classes of objects, without the background, which comes after them.
  public var classes: Int
  public var hasMasks: Bool
  /// Keypoints of an object; 0 without a head for them.
  public var keypoints: Int
  public var norm = Norm.plain
  /// The stem and stages that do not learn: 0 none, 1 the stem, 2 the stem and conv2, … 5 all.
  public var freezeAt = 0
  /// Pixels of a side of the square images that a transformer takes; others are padded to it.
  public var imageSize = 512
  /// Mean and standard deviation of red, green and blue, for levels 0 ... 255.
  public var pixelMean = PixelNormalization.mean
  public var pixelStd = PixelNormalization.std
  public var anchors: Anchors
  public var rpn: RPN
  public var roi = ROI()
  public var fpn = Pyramid()
  public var boxHead: BoxHead
  public var maskHead: MaskHead
  public var keypointHead = KeypointHead()
  public var test = Test()

  /// - Parameters:
  ///   - detector: where features come from.
  ///   - arch: a ResNet, or a transformer for ``Detector/vit``.
  ///   - classes: classes of objects, without the background.
  ///   - masks: whether objects have masks.
  ///   - keypoints: keypoints of an object; 0 for none.
  public init(
    _ detector: Detector, arch: Architecture = .resnet50, classes: Int, masks: Bool = false,
    keypoints: Int = 0
  ) {
    (self.detector, self.arch, self.classes) = (detector, arch, classes)
    (hasMasks, self.keypoints) = (masks, keypoints)
    anchors = Anchors(detector)
    rpn = RPN(detector, keypoints: keypoints)
    boxHead = BoxHead()
    maskHead = MaskHead(convolutions: detector == .c4 ? 0 : 4)
    if keypoints > 0 { roi.smoothL1Beta = 0.5 }
  }

  /// A number for training and one for test.
  public struct Limits: Codable, Sendable, Equatable {
    public var training: Int
    public var test: Int

    public init(training: Int, test: Int) { (self.training, self.test) = (training, test) }
  }

  /// Boxes around every place of a map, before the RPN moves them.
  public struct Anchors: Codable, Sendable, Equatable {
    /// Square roots of areas in pixels, a list for each level of the map.
    public var sizes: [[Double]]
    /// Height over width.
    public var aspectRatios = [0.5, 1, 2]
    /// Where a place's anchors are centred, as a share of the stride: 0 is the place's upper left corner.
    public var offset = 0.0

    init(_ detector: Detector) {
      sizes =
        detector == .fpn ? [[32], [64], [128], [256], [512]] : [[32, 64, 128, 256, 512]]
    }
  }

  /// The region proposal network.
  public struct RPN: Codable, Sendable, Equatable {
    /// Anchors of an image that the losses take.
    public var batchSizePerImage = 256
    /// The greatest share of positive anchors among them.
    public var positiveFraction = 0.5
    /// Anchors below the first IoU are negative, from the second on positive, and ignored between.
    public var iouThresholds = [0.3, 0.7]
    /// Proposals of a level that enter NMS.
    public var preNMSTopK: Limits
    /// Proposals of an image that leave it, of all levels together.
    public var postNMSTopK: Limits
    public var nmsThreshold = 0.7
    /// Proposals with a side of at most so many pixels are left out.
    public var minBoxSize = 0.0
    public var smoothL1Beta = 0.0

    init(_ detector: Detector, keypoints: Int) {
      preNMSTopK =
        detector == .fpn ? Limits(training: 2000, test: 1000) : Limits(training: 12000, test: 6000)
      let kept = detector == .fpn ? (keypoints > 0 ? 1500 : 1000) : 2000
      postNMSTopK = Limits(training: kept, test: 1000)
    }
  }

  /// What the heads learn from.
  public struct ROI: Codable, Sendable, Equatable {
    /// Boxes of an image that the losses take.
    public var batchSizePerImage = 512
    /// The greatest share of objects among them.
    public var positiveFraction = 0.25
    /// A box with this IoU or more is an object.
    public var iouThreshold = 0.5
    /// Weights of dx, dy, dw, dh.
    public var boxWeights = [10.0, 10, 5, 5]
    public var smoothL1Beta = 0.0
    /// Whether all classes share one regression of the box.
    public var isClassAgnostic = false
  }

  /// The feature pyramid.
  public struct Pyramid: Codable, Sendable, Equatable {
    public var channels = 256
    /// Whether its convolutions are normalised; they have a bias without.
    public var hasNorm = true
  }

  /// The layers behind the pooled 7×7 features of DC5 and FPN.
  public struct BoxHead: Codable, Sendable, Equatable {
    /// 3×3 convolutions, and their channels.
    public var convolutions = 0
    public var channels = 256
    /// Whether the convolutions are normalised; they have a bias without.
    public var hasNorm = false
    /// Linear layers, and their outputs.
    public var linears = 2
    public var size = 1024
  }

  /// The layers that draw masks, of twice the size of the features.
  public struct MaskHead: Codable, Sendable, Equatable {
    /// 3×3 convolutions; 0 in C4, whose conv5 has seen the features.
    public var convolutions: Int
    public var channels = 256
    public var hasNorm = false
  }

  public struct KeypointHead: Codable, Sendable, Equatable {
    public var convolutions = 8
    public var channels = 512
  }

  public struct Test: Codable, Sendable, Equatable {
    /// Boxes with at most this score are left out.
    public var scoreThreshold = 0.05
    /// Of each class alone.
    public var nmsThreshold = 0.5
    public var detectionsPerImage = 100
    /// From this probability on a pixel belongs to the object; above 0.
    public var maskThreshold = 0.5
  }
}
