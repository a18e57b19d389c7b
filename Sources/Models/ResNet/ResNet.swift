import Torch

/// Residual networks for images (He et al. 2016; Xie et al. 2017; Zagoruyko and Komodakis 2016).
///
/// State-dict keys, shapes and order are torchvision's up to `fc`, which an ``ImageEncoder`` adds. Renaming a property
/// here renames tensors in every file of weights (StateDictTests).
public final class ResNet: Module, Backbone {
  let conv1: Conv2d
  let bn1: any BatchNormLayer
  let layer1: Sequential
  let layer2: Sequential
  let layer3: Sequential
  let layer4: Sequential?  // the small networks have three stages, and a backbone that ends at conv4
  public let architecture: Architecture
  public let stem: Stem

  /// - Parameters:
  ///   - architecture: Depth, width and kind of block.
  ///   - stem: The first layers; the architecture's own unless given.
  ///   - stemPadding: pixels of zeros around an image before the cifar stem's convolution.
  ///   - norm: the normalisation behind every convolution.
  ///   - zeroResiduals: whether the last normalisation of each residual block starts with the weight 0, so
  ///     that the block starts as its shortcut (Goyal et al. 2017, section 5.1; MoCo v3).
  ///   - stages: how many stages there are, at least 3; the architecture's own unless given.
  ///   - dilatesLastStage: whether the last stage keeps the map's size: its stride is 1, and all its 3×3
  ///     convolutions have dilation 2.
  ///   - frozenStages: the stem and the stages that do not learn, as ``freeze(at:)`` counts them; their
  ///     normalisation is ``FrozenBatchNorm2d``.
  ///   - generator: draws the weights, as torchvision and PyTorch initialise them.
  public init(
    _ architecture: Architecture, stem: Stem? = nil, stemPadding: Int = Stem.cifarPadding,
    norm: Norm = .batch(), zeroResiduals: Bool = false, stages count: Int? = nil,
    dilatesLastStage: Bool = false, frozenStages: Int = 0, using generator: Generator
  ) {
    precondition(
      !architecture.isTransformer, "\(architecture.rawValue) is no residual network")
    let count = count ?? architecture.depths.count
    precondition(
      count >= 3 && count <= architecture.depths.count,
      "\(count) stages of \(architecture.rawValue), which has \(architecture.depths.count)")
    self.architecture = architecture
    self.stem = stem ?? architecture.defaultStem
    let width = architecture.width
    conv1 =
      switch self.stem {
      case .imageNet: Conv2d(3, width, kernel: 7, stride: 2, padding: 3, using: generator)
      case .cifar: Conv2d(3, width, kernel: 3, padding: stemPadding, using: generator)
      }
    bn1 = (frozenStages > 0 ? Norm.frozen : norm).makeLayer(width)
    func stage(_ index: Int) -> Sequential {
      ResNet.stage(
        architecture, index, isDilated: dilatesLastStage && index == count - 1,
        norm: frozenStages > index + 1 ? .frozen : norm, using: generator)
    }
    layer1 = stage(0)
    layer2 = stage(1)
    layer3 = stage(2)
    layer4 = count > 3 ? stage(3) : nil
    super.init()
    if frozenStages > 0 { freeze(at: frozenStages) }
    guard zeroResiduals else { return }
    for case let block as any ResidualBlock in self.stages.flatMap(\.layers) {
      withNoGrad { block.lastNorm.scale.fill(0) }
    }
  }

  /// The residual blocks of stage `index`, 0 ... 3, as a network of their own.
  /// - Parameter isDilated: whether it keeps the map's size: stride 1, and dilation 2 in all 3×3 convolutions, the
  ///   first block's too.
  static func stage(
    _ architecture: Architecture, _ index: Int, isDilated: Bool = false, norm: Norm,
    using generator: Generator
  ) -> Sequential {
    let width = architecture.width << index
    let blocks = (0..<architecture.depths[index]).map { position -> Module in
      let isFirst = position == 0
      let inputs =
        isFirst
        ? (index == 0 ? architecture.width : architecture.channels(ofStage: index - 1))
        : architecture.channels(ofStage: index)
      let stride = isFirst && index > 0 && !isDilated ? 2 : 1
      let dilation = isDilated ? 2 : 1
      switch architecture.block {
      case .basic:
        return BasicBlock(
          inputs, width, stride: stride, dilation: dilation, norm: norm, using: generator)
      case .bottleneck:
        return Bottleneck(
          inputs, width, stride: stride, dilation: dilation, groups: architecture.groups,
          widthPerGroup: architecture.widthPerGroup, norm: norm, using: generator)
      }
    }
    return Sequential(blocks)
  }

  /// The normalisation behind a residual network's convolutions.
  public enum Norm {
    /// ``BatchNorm2d`` in groups.
    case batch(groups: Int = 1)
    /// ``FrozenBatchNorm2d``, as detection fine-tunes on few images.
    case frozen
    /// Another kind, made for a number of channels.
    case layers((_ channels: Int) -> any BatchNormLayer)

    func makeLayer(_ channels: Int) -> any BatchNormLayer {
      switch self {
      case .batch(let groups): BatchNorm2d(channels, groups: groups)
      case .frozen: FrozenBatchNorm2d(channels)
      case .layers(let make): make(channels)
      }
    }
  }

  private var stages: [Sequential] { [layer1, layer2, layer3, layer4].compactMap { $0 } }
  /// Stages this network has: 4, or 3 in the small ones.
  public var stageCount: Int { stages.count }

  /// The outputs of the stages, C2 to C5 of the papers: N×3×H×W → N×C×H/4×W/4 to N×8C×H/32×W/32, with C = 256
  /// behind bottlenecks. With the cifar stem the first map is N×C×H×W.
  public func featureMaps(_ x: Tensor) -> [Tensor] { featureMaps(x, upTo: stageCount) }

  private func featureMaps(_ x: Tensor, upTo last: Int) -> [Tensor] {
    var x = bn1.batchNormReLU(conv1(x))  // N×64×H/2×W/2, N×64×H×W with the cifar stem
    if stem == .imageNet { x = maxPool2d(x, kernel: 3, stride: 2, padding: 1) }
    return stages.prefix(last).map { stage in
      x = stage(x)
      return x
    }
  }

  /// The pooled features: N×3×H×W → N×``Architecture/featureSize``.
  /// - Parameter stage: the stage whose output is pooled, 1 ... ``stageCount``; the last unless given.
  public func features(_ x: Tensor, stage: Int?) -> Tensor {
    let wanted = stage ?? stageCount
    precondition((1...stageCount).contains(wanted), "stage \(wanted) of \(stageCount)")
    return globalAveragePool2d(featureMaps(x, upTo: wanted)[wanted - 1])  // N×C
  }

  /// The pooled features of the last stage: N×3×H×W → N×``Architecture/featureSize``.
  public override func forward(_ x: Tensor) -> Tensor { features(x) }

  /// Freezes the stem and the stages before `stage`, 1 ... 5: detection's `FREEZE_AT` counts the stem as stage 1.
  public func freeze(at stage: Int) {
    precondition((0...stageCount + 1).contains(stage), "freeze at \(stage) of \(stageCount + 1) stages")
    if stage >= 1 { [conv1, bn1].forEach { $0.freeze() } }
    for stage in stages.prefix(max(0, stage - 1)) { stage.freeze() }
  }
}
