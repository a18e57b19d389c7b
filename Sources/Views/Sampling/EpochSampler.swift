import Torch

/// Which samples make which batch: every epoch all samples in a new random order, what does not fill a batch
/// dropped. A pure function of (seed, epoch), and of the shards' sizes where the samples lie in shards.
public struct EpochSampler: Sendable, Equatable {
  public let count: Int
  public let batchSize: Int
  public let seed: UInt64
  private let shards: ShardOrder?

  /// All samples in any order. Traps unless 1 ≤ batchSize ≤ count; a trainer says so to the user first.
  public init(count: Int, batchSize: Int, seed: UInt64) {
    self.init(count: count, batchSize: batchSize, seed: seed, shards: nil)
  }

  /// The samples of a data set; those in shards in an order in which these can be read one after the other.
  ///
  /// - Parameter shuffleBuffer: Samples among which the next one is drawn, for shards.
  public init(_ dataset: Dataset, batchSize: Int, seed: UInt64, shuffleBuffer: Int) {
    let shards = dataset.shards.map { ShardOrder(counts: $0.counts, seed: seed, buffer: shuffleBuffer) }
    self.init(count: dataset.count, batchSize: batchSize, seed: seed, shards: shards)
  }

  private init(count: Int, batchSize: Int, seed: UInt64, shards: ShardOrder?) {
    precondition(
      batchSize >= 1 && batchSize <= count, "batches of \(batchSize) from \(count) samples: want 1...\(count)"
    )
    self.count = count
    self.batchSize = batchSize
    self.seed = seed
    self.shards = shards
  }

  public var batchesPerEpoch: Int { count / batchSize }

  /// All samples in epoch `epoch`'s order.
  public func order(epoch: Int) -> [Int] {
    if let shards { return shards.epoch(epoch).samples }
    var generator = CounterGenerator(seed: seed, .sampleOrder, epoch)
    return generator.permutation(count)
  }

  /// How an epoch reads shards. Traps where there are none.
  func shardEpoch(_ epoch: Int) -> ShardEpoch {
    guard let shards else { preconditionFailure("no shards to order") }
    return shards.epoch(epoch)
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
