import Torch

/// Running statistics of batch normalisation that are those of whole batches, and not an average in which the latest ones
/// weigh most: over all values of all batches the mean, and the population variance (1/n).
///
///     let precise = PreciseBN(network)          // in training mode
///     for batch in batches { precise.observe { _ = network(batch) } }
///     precise.finish()
///
/// Source: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3; fvcore 0.1.5's `update_bn_stats`.
public final class PreciseBN {
  private struct Layer {
    let norm: BatchNorm2d
    /// Sums over all values of a channel, and their number: float64.
    var sum: Tensor  // C
    var squares: Tensor  // C
    var count = 0.0
  }

  private var layers: [Layer]
  private let ranks: ProcessGroup

  /// - Parameters:
  ///   - network: In training mode. Layers whose statistics are fixed are left alone.
  ///   - ranks: The processes that share the batches.
  public init(_ network: Module, ranks: ProcessGroup = .alone) {
    self.ranks = ranks
    layers = network.modules.compactMap { $0 as? BatchNorm2d }.map { norm in
      precondition(norm.isTraining, "PreciseBN needs a network in training mode")
      precondition(norm.groups == 1, "PreciseBN of a layer in \(norm.groups) groups")
      let zeros = norm.runningMean.tensor.detached().to(.float64) * 0
      return Layer(norm: norm, sum: zeros, squares: zeros.clone())
    }
  }

  /// Adds the values of a batch, which `forward` sends through the network in training mode. Nothing learns from it. The
  /// running statistics are in between until ``finish()``.
  public func observe(_ forward: () throws -> Void) rethrows {
    for layer in layers {
      layer.norm.forgetBatch()
      layer.norm.momentum = 1  // the running statistics become the batch's
    }
    defer { for layer in layers { layer.norm.momentum = BatchNorm2d.defaultMomentum } }
    try withNoGrad {
      try forward()
      let counts = countsOfAllRanks()
      for (index, layer) in layers.enumerated() where layer.norm.valuesInBatch > 0 {
        layers[index].add(countOfAllRanks: counts[index])
      }
    }
  }

  /// The values of a channel in the latest batch, of all ranks.
  private func countsOfAllRanks() -> [Double] {
    let own = layers.map { Double($0.norm.valuesInBatch) }
    guard ranks.rank.count > 1, !own.isEmpty else { return own }
    let all = Tensor(own)
    ranks.allReduce(all)
    return all.isDefined ? all.array() : own
  }

  /// Gives the layers their statistics. A layer that saw no batch keeps its own.
  public func finish() {
    withNoGrad {
      for var layer in layers {
        if ranks.rank.count > 1 { layer.addUp(over: ranks) }
        guard layer.count > 0 else { continue }
        let mean = layer.sum / layer.count
        layer.norm.runningMean.tensor.copy(from: mean)
        // Sums of squares: rounding can leave a variance of 0 just below it.
        layer.norm.runningVar.tensor.copy(
          from: (layer.squares / layer.count - mean * mean).clamped(0, .greatestFiniteMagnitude))
      }
    }
  }
}

extension PreciseBN.Layer {
  /// Adds the values of the latest batch, whose statistics are the running ones.
  fileprivate mutating func add(countOfAllRanks: Double) {
    let isSynchronized = norm.ranks != nil
    let own = Double(norm.valuesInBatch)
    // Running variances are unbiased, n/(n − 1) of the variance, but where ranks have equal weights.
    let n = isSynchronized ? countOfAllRanks : own
    let share = isSynchronized && norm.weighsRanksEqually ? 1 : (n - 1) / n
    let mean = norm.runningMean.tensor.to(.float64)
    let variance =
      n > 1 ? norm.runningVar.tensor.to(.float64) * share : mean * 0  // that of one value is NaN
    sum = sum + mean * own
    squares = squares + (variance + mean * mean) * own
    count += own
  }

  fileprivate mutating func addUp(over ranks: ProcessGroup) {
    let counts = Tensor([count], on: sum.device)
    for tensor in [sum, squares, counts] { ranks.allReduce(tensor) }
    count = counts.isDefined ? counts.item() : count
  }
}

extension BatchNorm2d { fileprivate var weighsRanksEqually: Bool { false } }  // TEMPORARY
