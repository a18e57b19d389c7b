import Synchronization
import Torch

/// The order in which training reads the samples of shards: a pure function of the shards' counts, the seed and the
/// epoch, from which the sample at any position follows without the ones before it.
///
/// Every epoch shuffles the shards. Their samples, one shard after the other, are cut into equally long lanes; samples
/// beyond the last whole batch are left out. Each lane is cut into windows, and each window is shuffled by itself. A
/// batch is dealt to the lanes as it is to ranks, as many rows each.
///
/// So a rank whose rows are those of some lanes reads these lanes only; and a reader that begins anywhere begins with
/// a window.
package struct LaneOrder: Sendable, Equatable {
  package let counts: ShardCounts
  package let seed: UInt64
  package let batchSize: Int
  /// How the rows of a batch are dealt to the lanes, and to the ranks.
  package let dealing: Dealing
  /// They divide the batch.
  package let lanes: Int
  /// Samples of a lane that are shuffled together.
  package let window: Int

  /// - Parameters:
  ///   - counts: Samples of each shard, together at least a batch.
  ///   - seed: The run's.
  ///   - batchSize: Of all ranks together.
  ///   - dealing: How the rows of a batch are dealt to the lanes, and to the ranks.
  ///   - lanes: They divide the batch. A part of the order: leave them as they are when the number of ranks changes.
  ///   - buffer: Samples that all lanes shuffle together; each lane at least one.
  package init(
    counts: ShardCounts, seed: UInt64, batchSize: Int, dealt dealing: Dealing = .consecutive, lanes: Int,
    buffer: Int
  ) {
    precondition(
      lanes >= 1 && batchSize.isMultiple(of: lanes),
      "a batch of \(batchSize) does not divide into \(lanes) lanes")
    precondition(buffer >= 1, "a shuffle buffer of \(buffer) samples, want at least 1")
    (self.counts, self.seed, self.batchSize, self.dealing) = (counts, seed, batchSize, dealing)
    self.lanes = lanes
    window = max(1, buffer / lanes)
  }

  /// The number of lanes of a new run: a multiple of the ranks that divides the batch, the smallest of at least four,
  /// or of as many as there are shards where these are fewer. Each lane reads a shard of its own.
  package static func lanes(batchSize: Int, ranks: Int, shards: Int) -> Int {
    let enough = min(4, max(1, shards))
    let few = stride(from: ranks, through: max(ranks, 16), by: ranks)
    return few.first { $0 >= enough && batchSize.isMultiple(of: $0) } ?? ranks
  }

  package func epoch(_ epoch: Int) -> LaneEpoch {
    var generator = CounterGenerator(seed: seed, .shardOrder, epoch)
    return LaneEpoch(self, epoch, shards: generator.permutation(counts.shards))
  }
}

/// The order of one pass over shards in lanes.
package struct LaneEpoch: ShardPass {
  private let order: LaneOrder
  private let epoch: Int
  /// In the order in which they are read.
  private let shards: [Int]
  /// Their samples in that order.
  private let sequence: ShardCounts
  /// Samples of a lane.
  private let length: Int
  /// Rows of a lane in a batch.
  private let share: Int
  private let windows = RecentWindows()

  fileprivate init(_ order: LaneOrder, _ epoch: Int, shards: [Int]) {
    (self.order, self.epoch, self.shards) = (order, epoch, shards)
    sequence = ShardCounts(shards.lazy.map { order.counts[$0].count })
    share = order.batchSize / order.lanes
    length = order.counts.count / order.batchSize * share
  }

  /// The samples of shards as they lie there, by one reader.
  package init(inOrder counts: ShardCounts) {
    let order = LaneOrder(counts: counts, seed: 0, batchSize: 1, lanes: 1, buffer: 1)
    self.init(order, 0, shards: Array(0..<counts.shards))
  }

  package var counts: ShardCounts { order.counts }
  package var count: Int { length * order.lanes }
  package var readers: Int { order.lanes }
  /// A window goes out when all of it has arrived.
  package var buffer: Int { order.window }

  package func reader(at position: Int) -> Int { owner(of: position % order.batchSize).rank }

  /// The lane of a row of a batch, and the row's place among the lane's rows.
  private func owner(of row: Int) -> (rank: Int, place: Int) {
    order.dealing.owner(of: row, of: order.batchSize, ranks: order.lanes)
  }

  /// A lane's rows of a batch, in order.
  private func rows(of lane: Int) -> [Int] {
    Array(Rank(lane, of: order.lanes).rows(of: order.batchSize, dealt: order.dealing))
  }

  package func sample(at position: Int) -> Int {
    precondition(position >= 0 && position < count, "position \(position) of \(count)")
    let (batch, row) = position.quotientAndRemainder(dividingBy: order.batchSize)
    let (lane, rowOfLane) = owner(of: row)
    let (window, turn) = (batch * share + rowOfLane).quotientAndRemainder(dividingBy: order.window)
    let place = window * order.window + windows.shuffled(lane, window) { shuffled(lane, window) }[turn]
    let (shard, member) = sequence.place(lane * length + place)
    return order.counts[shards[shard]].lowerBound + member
  }

  /// The place in the window of each sample that goes out.
  private func shuffled(_ lane: Int, _ window: Int) -> [Int] {
    var generator = CounterGenerator(seed: order.seed, .shardOrder, epoch, lane, window)
    return generator.permutation(min(order.window, length - window * order.window))
  }

  package func runs(of lane: Int, for wanted: WantedPositions) -> [ShardRun] {
    guard !wanted.range.isEmpty, isWanted(lane, by: wanted) else { return [] }
    // Whole windows around the places of all batches.
    let first = wanted.range.lowerBound / order.batchSize * share / order.window * order.window
    let last = ((wanted.range.upperBound - 1) / order.batchSize + 1) * share
    let end = min((last + order.window - 1) / order.window * order.window, length)
    var runs: [ShardRun] = []
    var place = first
    while place < end {
      let (turn, member) = sequence.place(lane * length + place)
      let members = member..<min(sequence[turn].count, member + end - place)
      runs.append(ShardRun(shard: shards[turn], members: members, place: place))
      place += members.count
    }
    return runs
  }

  /// A rank's rows are the same in every batch.
  private func isWanted(_ lane: Int, by wanted: WantedPositions) -> Bool {
    guard wanted.batchSize == order.batchSize else { return true }
    return rows(of: lane).contains { wanted.rank.owns($0, of: order.batchSize, dealt: wanted.dealing) }
  }

  package func positions(of lane: Int) -> (ShardRun, Int) -> Int {
    var current = -1
    var positions: [Int] = []
    return { [self] run, member in
      let (window, arrival) = (run.place + member - run.members.lowerBound)
        .quotientAndRemainder(dividingBy: order.window)
      if window != current { (current, positions) = (window, self.positions(lane, window)) }
      return positions[arrival]
    }
  }

  /// Of a window's samples as they lie in the shards.
  private func positions(_ lane: Int, _ window: Int) -> [Int] {
    let shuffled = shuffled(lane, window)
    let rows = rows(of: lane)
    var positions = shuffled
    for (turn, place) in shuffled.enumerated() {
      let (batch, row) = (window * order.window + turn).quotientAndRemainder(dividingBy: share)
      positions[place] = batch * order.batchSize + rows[row]
    }
    return positions
  }
}

/// The last two windows of each lane that were requested: batches are made a few rows at a time.
private final class RecentWindows: Sendable {
  private let kept = Mutex<[Int: (window: Int, shuffled: [Int])]>([:])

  func shuffled(_ lane: Int, _ window: Int, _ shuffle: () -> [Int]) -> [Int] {
    kept.withLock { kept in
      let slot = 2 * lane + window % 2
      if let found = kept[slot], found.window == window { return found.shuffled }
      let shuffled = shuffle()
      kept[slot] = (window, shuffled)
      return shuffled
    }
  }
}
