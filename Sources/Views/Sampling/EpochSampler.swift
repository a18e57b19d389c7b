import Torch

/// Which samples make which batch: every epoch all samples in a new random order, what does not fill a batch
/// dropped. A pure function of (seed, epoch).
public struct EpochSampler: Sendable, Equatable {
  public let count: Int
  public let batchSize: Int
  public let seed: UInt64

  /// Traps unless 1 ≤ batchSize ≤ count; a trainer says so to the user first.
  public init(count: Int, batchSize: Int, seed: UInt64) {
    precondition(
      batchSize >= 1 && batchSize <= count, "batches of \(batchSize) from \(count) samples: want 1...\(count)"
    )
    self.count = count
    self.batchSize = batchSize
    self.seed = seed
  }

  public var batchesPerEpoch: Int { count / batchSize }

  /// All samples in epoch `epoch`'s order.
  public func order(epoch: Int) -> [Int] {
    var generator = CounterGenerator(seed: seed, .sampleOrder, epoch)
    return generator.permutation(count)
  }

  /// The samples of batch `index` of an epoch. It draws the whole epoch's order: keep ``order(epoch:)`` to walk
  /// through many batches.
  public func batch(epoch: Int, index: Int) -> [Int] { Array(order(epoch: epoch)[range(ofBatch: index)]) }

  /// Where batch `index` lies in the epoch's order.
  func range(ofBatch index: Int) -> Range<Int> {
    precondition(
      index >= 0 && index < batchesPerEpoch, "batch \(index) of an epoch of \(batchesPerEpoch) batches")
    return index * batchSize..<(index + 1) * batchSize
  }
}
