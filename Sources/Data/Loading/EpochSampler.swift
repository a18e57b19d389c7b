import Synchronization
import Torch

/// How the samples of shards are mixed.
package enum ShardMixing: Sendable, Equatable {
  /// See ``LaneOrder``.
  case lanes(Int)
  /// See ``ShardOrder``: for runs that were begun with it.
  case slidingBuffers
}

/// Which samples make which batch: every epoch all samples in a new random order, those that do not fill a batch
/// dropped. A pure function of (seed, epoch), and of the shards' sizes where the samples lie in shards.
///
/// Several ranks share each batch: every one makes its own rows of it. Together they make what one rank alone would; of
/// shards with the same ``mixing``, which a new run chooses for its ranks and a resumed one keeps.
package struct EpochSampler: Sendable, Equatable {
  package let count: Int
  /// Of all ranks together.
  package let batchSize: Int
  package let seed: UInt64
  private let rank: Rank
  private let dealing: Dealing
  /// How shards are mixed; nil for samples in any order.
  package let mixing: ShardMixing?
  private let shards: Shards?
  /// How often each image stands in the data set.
  private let repeats: Int

  private enum Shards: Equatable {
    case lanes(LaneOrder)
    case slidingBuffers(ShardOrder)
  }

  /// All samples in any order. Traps unless 1 ≤ batchSize ≤ count, and the batch divides by the ranks; a trainer checks
  /// that first.
  package init(
    count: Int, batchSize: Int, seed: UInt64, rank: Rank = .only, dealt dealing: Dealing = .consecutive
  ) {
    self.init(
      count: count, batchSize: batchSize, seed: seed, rank: rank, dealing: dealing, mixing: nil, shards: nil)
  }

  /// Images of which each stands `repeats` times in the data set, one pass behind the other: image i is also sample
  /// i + images, i + 2 · images … An epoch shows so many samples as there are images, and of each image that it shows all
  /// of its samples, one behind the other (Hoffer et al. 2020; DeiT's `RASampler`).
  package init(repeating images: Int, times repeats: Int, batchSize: Int, seed: UInt64) {
    precondition(repeats >= 1, "each image \(repeats) times")
    self.init(
      count: images * repeats, batchSize: batchSize, seed: seed, rank: .only, dealing: .consecutive,
      mixing: nil, shards: nil, repeats: repeats)
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
  ///   - mixing: How the run mixes shards; nil chooses lanes for a new one.
  package init(
    _ dataset: Dataset, batchSize: Int, seed: UInt64, shuffleBuffer: Int = 4096, rank: Rank = .only,
    dealt dealing: Dealing = .consecutive, mixing: ShardMixing? = nil
  ) {
    guard let index = dataset.shards else {
      self.init(count: dataset.count, batchSize: batchSize, seed: seed, rank: rank, dealt: dealing)
      return
    }
    let lanes = LaneOrder.lanes(batchSize: batchSize, ranks: rank.count, shards: index.sources.count)
    let mixing = mixing ?? .lanes(lanes)
    let shards: Shards =
      switch mixing {
      case .lanes(let lanes):
        .lanes(
          LaneOrder(
            counts: index.numbering, seed: seed, batchSize: batchSize, dealt: dealing, lanes: lanes,
            buffer: shuffleBuffer))
      case .slidingBuffers:
        .slidingBuffers(ShardOrder(counts: index.counts, seed: seed, buffer: shuffleBuffer))
      }
    self.init(
      count: dataset.count, batchSize: batchSize, seed: seed, rank: rank, dealing: dealing, mixing: mixing,
      shards: shards)
  }

  private init(
    count: Int, batchSize: Int, seed: UInt64, rank: Rank, dealing: Dealing, mixing: ShardMixing?,
    shards: Shards?, repeats: Int = 1
  ) {
    let images = count / repeats
    precondition(
      batchSize >= 1 && batchSize <= images,
      "batches of \(batchSize) from \(images) samples: want 1...\(images)")
    self.repeats = repeats
    precondition(
      batchSize.isMultiple(of: rank.count), "a batch of \(batchSize) does not divide by \(rank.count) ranks")
    (self.rank, self.dealing) = (rank, dealing)
    self.count = count
    self.batchSize = batchSize
    self.seed = seed
    (self.mixing, self.shards) = (mixing, shards)
  }

  package var batchesPerEpoch: Int { count / repeats / batchSize }

  /// The number of the rank's rows of a batch.
  package var rowCount: Int { batchSize / rank.count }

  /// All samples in epoch `epoch`'s order; of shards in lanes those of whole batches.
  package func order(epoch: Int) -> [Int] {
    if let pass = shardPass(epoch) { return (0..<pass.count).map(pass.sample) }
    var generator = CounterGenerator(seed: seed, .sampleOrder, epoch)
    guard repeats > 1 else { return generator.permutation(count) }
    let images = count / repeats
    let shown = generator.permutation(images)
    return (0..<images).map { shown[$0 / repeats] + images * ($0 % repeats) }
  }

  /// How an epoch reads shards, where there are any.
  func shardPass(_ epoch: Int) -> (any ShardPass)? {
    switch shards {
    case .lanes(let order): order.epoch(epoch)
    case .slidingBuffers(let order): order.epoch(epoch)
    case nil: nil
    }
  }

  /// The rank's samples of batch `index` of an epoch. It draws the epoch's order: keep an ``EpochOrders`` to walk
  /// through many batches.
  package func batch(epoch: Int, index: Int) -> [Int] {
    EpochOrders(self).samples(epoch: epoch, batch: index)
  }

  /// Where the rank's rows of batch `index` lie in the epoch's order, ascending.
  func positions(ofBatch index: Int) -> [Int] {
    precondition(
      index >= 0 && index < batchesPerEpoch, "batch \(index) of an epoch of \(batchesPerEpoch) batches")
    return rank.rows(of: batchSize, dealt: dealing).map { index * batchSize + $0 }
  }

  /// The rank's positions in some batches of an epoch.
  func wanted(_ batches: Range<Int>) -> WantedPositions {
    WantedPositions(batches: batches, of: batchSize, rank: rank, dealt: dealing)
  }
}

/// The orders of the epoch being read and of the next, each drawn once.
package final class EpochOrders: Sendable {
  private enum Order {
    case samples([Int])
    case shards(any ShardPass)
  }

  package let sampler: EpochSampler
  private let orders = Mutex<[Int: Order]>([:])

  package init(_ sampler: EpochSampler) { self.sampler = sampler }

  /// The rank's samples of a batch.
  package func samples(epoch: Int, batch: Int) -> [Int] {
    let positions = sampler.positions(ofBatch: batch)
    return switch order(epoch) {
    case .samples(let samples): positions.map { samples[$0] }
    case .shards(let pass): positions.map(pass.sample)
    }
  }

  /// How the epoch reads shards. Traps where there are none.
  package func shards(_ epoch: Int) -> any ShardPass {
    guard case .shards(let pass) = order(epoch) else { preconditionFailure("no shards to order") }
    return pass
  }

  private func order(_ epoch: Int) -> Order {
    orders.withLock { orders in
      if let order = orders[epoch] { return order }
      orders = orders.filter { $0.key >= epoch - 1 }
      let order: Order = sampler.shardPass(epoch).map { .shards($0) } ?? .samples(sampler.order(epoch: epoch))
      orders[epoch] = order
      return order
    }
  }
}
