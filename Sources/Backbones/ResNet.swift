import Torch

/// Residual networks for images (He et al. 2016; Xie et al. 2017; Zagoruyko and Komodakis 2016).
///
/// State-dict keys, shapes and order are torchvision's, so weights go over in both directions; with an MLP
/// head `fc` has the keys `fc.0` and `fc.2`, as in the published MoCo v2 checkpoints.
public final class ResNet: Module, Backbone {
  let conv1: Conv2d
  let bn1: BatchNorm2d
  let layer1: Sequential
  let layer2: Sequential
  let layer3: Sequential
  let layer4: Sequential?  // the small networks have three stages
  let fc: Module
  public var head: Module { fc }
  public let architecture: Architecture
  public let stem: Stem

  /// - Parameters:
  ///   - architecture: Depth, width and kind of block.
  ///   - head: What follows the pooled features.
  ///   - stem: The first layers; the architecture's own unless given.
  ///   - bnGroups: groups of every batch normalisation; see `BatchNorm2d`.
  ///   - zeroResiduals: whether the last normalisation of each residual block starts with the weight 0, so
  ///     that the block starts as its shortcut (Goyal et al. 2017, section 5.1; MoCo v3).
  ///   - generator: what the weights are drawn from, as torchvision and PyTorch initialise them.
  public init(
    _ architecture: Architecture, stem: Stem? = nil, head: Head, bnGroups: Int = 1,
    zeroResiduals: Bool = false, using generator: Generator
  ) {
    precondition(
      !architecture.isTransformer, "\(architecture.rawValue) is no residual network")
    self.architecture = architecture
    self.stem = stem ?? architecture.defaultStem
    let width = architecture.width
    conv1 =
      switch self.stem {
      case .imageNet: Conv2d(3, width, kernel: 7, stride: 2, padding: 3, using: generator)
      case .cifar: Conv2d(3, width, kernel: 3, padding: 1, using: generator)
      }
    bn1 = BatchNorm2d(width, groups: bnGroups)
    var inputs = width
    func stage(_ index: Int) -> Sequential {
      ResNet.stage(architecture, index, inputs: &inputs, bnGroups: bnGroups, using: generator)
    }
    layer1 = stage(0)
    layer2 = stage(1)
    layer3 = stage(2)
    layer4 = architecture.depths.count > 3 ? stage(3) : nil
    fc = head.makeLayers(inputs: inputs, using: generator)
    super.init()
    guard zeroResiduals else { return }
    for case let block as any ResidualBlock in stages.flatMap(\.layers) {
      withNoGrad { block.lastNorm.weight.tensor.fill(0) }
    }
  }

  private static func stage(
    _ architecture: Architecture, _ index: Int, inputs: inout Int, bnGroups: Int, using generator: Generator
  ) -> Sequential {
    let width = architecture.width << index
    let blocks = (0..<architecture.depths[index]).map { position -> Module in
      let stride = position == 0 && index > 0 ? 2 : 1
      defer { inputs = width * architecture.block.expansion }
      switch architecture.block {
      case .basic:
        return BasicBlock(inputs, width, stride: stride, bnGroups: bnGroups, using: generator)
      case .bottleneck:
        return Bottleneck(
          inputs, width, stride: stride, groups: architecture.groups,
          widthPerGroup: architecture.widthPerGroup, bnGroups: bnGroups, using: generator)
      }
    }
    return Sequential(blocks)
  }

  private var stages: [Sequential] { [layer1, layer2, layer3, layer4].compactMap { $0 } }
  /// Stages this network has: 4, or 3 in the small ones.
  public var stageCount: Int { stages.count }

  /// The pooled features: N×3×H×W → N×``Architecture/featureSize``.
  /// - Parameter stage: the stage whose output is pooled, 1 ... ``stageCount``; the last unless given.
  public func features(_ x: Tensor, stage: Int?) -> Tensor {
    let wanted = stage ?? stageCount
    precondition((1...stageCount).contains(wanted), "stage \(wanted) of \(stageCount)")
    var x = bn1.thenReLU(conv1(x))  // N×64×H/2×W/2, N×64×H×W with the cifar stem
    if stem == .imageNet { x = maxPool2d(x, kernel: 3, stride: 2, padding: 1) }
    for stage in stages.prefix(wanted) { x = stage(x) }
    return globalAveragePool2d(x)  // N×C
  }

  /// N×3×H×W → N×outputs.
  public override func forward(_ x: Tensor) -> Tensor { fc(features(x)) }
}
