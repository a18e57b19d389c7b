/// Stochastic depth (Huang et al. 2016): in training the branch of a residual block is left out for some samples, and
/// divided by the chance that it stays for the others. In evaluation, and at a rate of 0, it changes nothing.
///
/// A batch's draws come from ``Module/drawDropPaths(seed:epoch:samples:)``, before its forward pass.
public final class DropPath: Module {
  /// The chance that a sample's branch is left out, 0 ..< 1.
  public var rate = 0.0 {
    didSet { precondition((0..<1).contains(rate), "a drop path rate of \(rate)") }
  }
  /// What each sample's branch is multiplied by: 0 or 1 / (1 − rate).
  private var scales: [Float] = []

  public override init() {}

  public var isActive: Bool { isTraining && rate > 0 }

  /// - Parameter isKept: whether each sample of the next batch keeps its branch.
  package func set(isKept: [Bool]) { scales = isKept.map { $0 ? Float(1 / (1 - rate)) : 0 } }

  /// The branch, N×….
  public override func forward(_ x: Tensor) -> Tensor {
    guard isActive, x.isDefined else { return x }
    let shape = x.shape
    precondition(
      scales.count == shape[0], "draws for \(scales.count) samples, and a batch of \(shape[0])")
    let each = [shape[0]] + [Int](repeating: 1, count: shape.count - 1)
    return x * Tensor(scales, shape: each, on: x.device).to(x.dtype)
  }
}

/// A residual block whose branches can be left out.
public protocol StochasticDepthBlock: Module {
  var dropPaths: [DropPath] { get }
}

extension Module {
  private var stochasticBlocks: [any StochasticDepthBlock] {
    modules.compactMap { $0 as? any StochasticDepthBlock }
  }

  /// Gives the residual blocks rates that rise linearly with the depth, from 0 to `rate`, as timm does.
  public func setDropPath(rate: Double) {
    let blocks = stochasticBlocks
    for (index, block) in blocks.enumerated() {
      let own = blocks.count > 1 ? rate * Double(index) / Double(blocks.count - 1) : 0
      for path in block.dropPaths { path.rate = own }
    }
  }

  /// Draws which samples of the next batch keep which branch; the same arguments give the same draws at any time.
  /// - Parameter samples: whose draws they are.
  public func drawDropPaths(seed: UInt64, epoch: Int, samples: [Int]) {
    for (index, path) in stochasticBlocks.flatMap(\.dropPaths).enumerated() where path.rate > 0 {
      path.set(
        isKept: samples.map { sample in
          var generator = CounterGenerator(seed: seed, .dropPath, epoch, sample, index)
          return !generator.chance(path.rate)
        })
    }
  }
}
