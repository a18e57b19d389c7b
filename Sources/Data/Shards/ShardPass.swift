import Torch

/// One pass over shards: the shards that each reader reads, one after the other, and the position at which each of
/// their samples is handed out.
///
/// A reader hands out its samples out of order, and holds those that wait. Before its sample with the n-th lowest
/// position can be handed out, at most n + ``buffer`` of its samples must have arrived.
package protocol ShardPass: Sendable {
  /// The number of positions.
  var count: Int { get }
  /// The number of readers.
  var readers: Int { get }
  var buffer: Int { get }
  /// The samples of each shard.
  var counts: ShardCounts { get }

  /// The sample that is handed out at a position.
  func sample(at position: Int) -> Int
  /// The reader that it comes from.
  func reader(at position: Int) -> Int
  /// The parts of shards that a reader reads, in order, so that the positions that are wanted come; none where none
  /// of them is its own.
  func runs(of reader: Int, for wanted: WantedPositions) -> [ShardRun]
  /// The position of an image of a run, for a thread that goes through a reader's runs in order.
  func positions(of reader: Int) -> (_ run: ShardRun, _ member: Int) -> Int
}

/// Consecutive images of a shard.
package struct ShardRun: Sendable, Equatable {
  package var shard: Int
  /// By their places in the shard, counted from 0.
  package var members: Range<Int>
  /// The number of images that the reader reads before the first of them, in the whole pass.
  package var place: Int
}

/// Positions that will be taken: the same rows of each batch of a range.
package struct WantedPositions: Sendable, Equatable {
  /// Whole batches.
  let range: Range<Int>
  let batchSize: Int
  let rank: Rank
  let dealing: Dealing

  /// All of a range.
  init(_ range: Range<Int>) { (self.range, batchSize, rank, dealing) = (range, 1, .only, .consecutive) }

  /// The rank's rows of some batches.
  init(batches: Range<Int>, of batchSize: Int, rank: Rank, dealt dealing: Dealing) {
    range = batches.lowerBound * batchSize..<batches.upperBound * batchSize
    (self.batchSize, self.rank, self.dealing) = (batchSize, rank, dealing)
  }

  func contains(_ position: Int) -> Bool {
    range.contains(position) && rank.owns(position % batchSize, of: batchSize, dealt: dealing)
  }

  var count: Int { range.count / rank.count }
}
