/// Running statistics computed anew from some training batches, without the traces of older weights that a moving average
/// keeps (Wu and Johnson 2021, "PreciseBN"; fvcore's `update_bn_stats`).
///
///     let precise = PreciseBatchNorm(network)
///     for batch in batches { precise.observe { _ = network(batch) } }  // in training mode
///     precise.finish()
///
/// The running mean becomes the mean over all values of all batches, the running variance their variance about it (divided
/// by their number). Only ``BatchNorm2d`` layers take part; counters of batches stay as they were.
public final class PreciseBatchNorm {
  private let layers: [(layer: BatchNorm2d, counter: Tensor)]

  public init(_ module: Module) {
    layers = module.modules.compactMap { $0 as? BatchNorm2d }.map { layer in
      (layer, layer.numBatchesTracked.tensor.clone())
    }
    for (layer, _) in layers { layer.statistics = BatchStatistics() }
  }

  /// Runs `body`, a forward pass of the network in training mode, without a graph.
  public func observe<Result>(_ body: () throws -> Result) rethrows -> Result { try withNoGrad(body) }

  /// Overwrites the running statistics. Layers that saw no values keep theirs.
  /// - Parameter ranks: whose values count too; every rank calls this.
  public func finish(over ranks: ProcessGroup? = nil) {
    withNoGrad {
      for (layer, counter) in layers {
        layer.numBatchesTracked.tensor.copy(from: counter)
        if let (mean, variance) = layer.statistics?.result(over: ranks, like: layer.runningMean.tensor) {
          layer.runningMean.tensor.copy(from: mean)
          layer.runningVar.tensor.copy(from: variance)
        }
        layer.statistics = nil
      }
    }
  }

  deinit { for (layer, _) in layers { layer.statistics = nil } }
}

/// The sums over all values of a channel that a layer has seen.
final class BatchStatistics {
  private var count = 0.0
  private var sum: Tensor?  // C float64, as the next
  private var squares: Tensor?

  /// - Parameter x: N×C×H×W.
  func add(_ x: Tensor) {
    guard x.isDefined, x.count > 0 else { return }
    withNoGrad {
      let values = Double(x.count / x.shape[1])
      let x = x.detached().to(x.dtype == .float64 ? .float64 : .float32)
      let mean = x.mean(dims: [0, 2, 3], keepDim: true)
      let variance = (x - mean).pow(2).mean(dims: [0, 2, 3]).to(.float64)  // C
      let center = mean.reshaped([-1]).to(.float64)
      let (own, ownSquares) = (center * values, (variance + center * center) * values)
      sum = sum.map { $0 + own } ?? own
      squares = squares.map { $0 + ownSquares } ?? ownSquares
      count += values
    }
  }

  /// The mean and the variance, of all ranks' values together.
  func result(over ranks: ProcessGroup?, like running: Tensor) -> (mean: Tensor, variance: Tensor)? {
    let zeros = Tensor.zeros(running.shape, dtype: .float64, on: running.device)
    var all = Tensor.stacked([sum ?? zeros, squares ?? zeros, zeros + count])  // 3×C
    if let ranks { all = ranks.allGather(all.reshaped([1, 3, -1])).sum(dim: 0) }
    guard all.isDefined, all.count > 0 else { return nil }
    let counts = all.selected(2)  // C, all equal
    if counts.max(dim: 0).item() == 0 { return nil }
    let mean = all.selected(0) / counts
    return (mean, all.selected(1) / counts - mean * mean)
  }
}
