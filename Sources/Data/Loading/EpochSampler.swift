import Torch

/// Which samples make which batch: every epoch all samples in a new random order, what does not fill a batch
/// dropped. A pure function of (seed, epoch), and of the shards' sizes where the samples lie in shards.
///
/// Several ranks share each batch: every one makes its own rows of it. Together they make what one rank alone would.
package struct EpochSampler: Sendable, Equatable {
  package let count: Int
  /// Of all ranks together.
  package let batchSize: Int
  package let seed: UInt64
  private let rank: Rank
  private let dealing: Dealing
  private let shards: ShardOrder?

  /// All samples in any order. Traps unless 1 ≤ batchSize ≤ count, and the batch divides by the ranks; a trainer checks
  /// that first.
  package init(
    count: Int, batchSize: Int, seed: UInt64, rank: Rank = .only, dealt dealing: Dealing = .consecutive
  ) {
    self.init(count: count, batchSize: batchSize, seed: seed, rank: rank, dealing: dealing, shards: nil)
  }

  /// The samples of a data set; those in shards in an order in which these can be read one after the other.
  ///
  /// - Parameters:
  ///   - batchSize: 1 to the number of samples; a trainer checks that first.
  ///   - dataset: The samples.
  ///   - seed: The run's.
  ///   - shuffleBuffer: Samples among which the next one is drawn, for shards.
  ///   - rank: Whose rows of each batch are wanted.
  ///   - dealing: How the ranks share each batch.
  package init(
    _ dataset: Dataset, batchSize: Int, seed: UInt64, shuffleBuffer: Int = 4096, rank: Rank = .only,
    dealt dealing: Dealing = .consecutive
  ) {
    let shards = dataset.shards.map { ShardOrder(counts: $0.counts, seed: seed, buffer: shuffleBuffer) }
    self.init(
      count: dataset.count, batchSize: batchSize, seed: seed, rank: rank, dealing: dealing, shards: shards)
  }

  private init(
    count: Int, batchSize: Int, seed: UInt64, rank: Rank, dealing: Dealing, shards: ShardOrder?
  ) {
    precondition(
      batchSize >= 1 && batchSize <= count, "batches of \(batchSize) from \(count) samples: want 1...\(count)"
    )
    precondition(
      batchSize.isMultiple(of: rank.count), "a batch of \(batchSize) does not divide by \(rank.count) ranks")
    (self.rank, self.dealing) = (rank, dealing)
    self.count = count
    self.batchSize = batchSize
    self.seed = seed
    self.shards = shards
  }

  package var batchesPerEpoch: Int { count / batchSize }

  /// The number of the rank's rows of a batch.
  package var rowCount: Int { batchSize / rank.count }

  /// All samples in epoch `epoch`'s order.
  package func order(epoch: Int) -> [Int] {
    if let shards = shardEpoch(epoch) { return shards.samples }
    var generator = CounterGenerator(seed: seed, .sampleOrder, epoch)
    return generator.permutation(count)
  }

  /// How an epoch reads shards, where there are any.
  func shardEpoch(_ epoch: Int) -> ShardEpoch? { shards?.epoch(epoch) }

  /// The rank's samples of batch `index` of an epoch. It draws the whole epoch's order: keep ``order(epoch:)`` to walk
  /// through many batches.
  package func batch(epoch: Int, index: Int) -> [Int] {
    let order = order(epoch: epoch)
    return positions(ofBatch: index).map { order[$0] }
  }

  /// Where the rank's rows of batch `index` lie in the epoch's order, ascending.
  func positions(ofBatch index: Int) -> [Int] {
    precondition(
      index >= 0 && index < batchesPerEpoch, "batch \(index) of an epoch of \(batchesPerEpoch) batches")
    return rank.rows(of: batchSize, dealt: dealing).map { index * batchSize + $0 }
  }

  /// Whether a position in the epoch's order is the rank's.
  func isOwn(_ position: Int) -> Bool { rank.owns(position % batchSize, of: batchSize, dealt: dealing) }
}
