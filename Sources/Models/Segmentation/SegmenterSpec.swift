/// All numbers of a network that gives every pixel a class.
///
///     var spec = SegmenterSpec(arch: .resnet50, classes: 21)    // VOC with its background, as MoCo's paper has it
///     spec.freezeAt = 2
///     let network = FCN(spec, using: Generator(seed: 0))
///
/// The defaults are those of He et al. 2020, appendix A. Where corners lie the paper does not say.
public struct SegmenterSpec: Codable, Sendable, Equatable {
  /// How the backbone is normalised. New layers have no statistics of their own to keep: theirs is never frozen.
  public typealias Norm = DetectorSpec.Norm

  /// A ResNet of four stages.
  public var arch: Architecture
  /// The background is one of them, if there is one.
  public var classes: Int
  /// Channels of the two 3×3 convolutions behind conv5, and their dilation.
  public var headChannels = 256
  public var headDilation = 6
  /// Whether the corners' centres of the small map lie on those of the image when it is enlarged; otherwise its edges
  /// lie on the image's edges.
  public var alignCorners = false
  public var norm = Norm.plain
  /// The stem and stages that do not learn: 0 none, 1 the stem, 2 the stem and conv2, … 5 all.
  public var freezeAt = 0
  /// Pixels with this label are not learned from.
  public var ignoredLabel = 255
  /// Mean and standard deviation of red, green and blue, for levels 0 ... 255.
  public var pixelMean = PixelNormalization.mean
  public var pixelStd = PixelNormalization.std

  /// Pixels of the image between two places of the network's map.
  public static let stride = 16
  /// Labels are bytes, and one of them is that of ignored pixels.
  public static let mostClasses = 255
  /// The networks that can be a backbone: ResNets of four stages.
  package static let architectures = Architecture.allCases.filter {
    !$0.isTransformer && $0.depths.count == 4
  }

  /// - Parameters:
  ///   - arch: a ResNet of four stages.
  ///   - classes: all of them, the background too.
  public init(arch: Architecture = .resnet50, classes: Int) { (self.arch, self.classes) = (arch, classes) }
}

extension SegmenterSpec {
  /// A sentence that begins with the name of a value that no network can have; nil where there is none. A spec may come
  /// from a file or a command line.
  package var problem: String? {
    if !Self.architectures.contains(arch) {
      return "arch \(arch.rawValue): segmentation needs the four stages of resnet18 to resnet152."
    }
    if !(2...Self.mostClasses).contains(classes) { return "classes \(classes): 2 to \(Self.mostClasses)." }
    if !(1...1 << 16).contains(headChannels) { return "head-channels \(headChannels): 1 to \(1 << 16)." }
    if !(1...64).contains(headDilation) { return "head-dilation \(headDilation): 1 to 64." }
    if !(0...5).contains(freezeAt) { return "freeze-at \(freezeAt): 0 (nothing) to 5 (all stages)." }
    if !(classes...255).contains(ignoredLabel) {
      return "ignored-label \(ignoredLabel): \(classes) (behind the classes) to 255."
    }
    return PixelNormalization.problem(mean: pixelMean, std: pixelStd)
  }
}
