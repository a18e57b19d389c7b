import Testing
import Torch
@testable import Data

/// The order made as it is described: everything in memory, one sample after the other.
private func described(
  _ counts: [Int], seed: UInt64, batchSize: Int, dealt dealing: Dealing, lanes: Int, buffer: Int, epoch: Int
) -> [[Int]] {
  var shards: [[Int]] = []
  var number = 0
  for count in counts {
    shards.append(Array(number..<number + count))
    number += count
  }
  var generator = CounterGenerator(seed: seed, .shardOrder, epoch)
  var sequence = generator.permutation(counts.count).flatMap { shards[$0] }
  let batches = number / batchSize
  let rows = batchSize / lanes
  var laneSamples: [[Int]] = []
  for lane in 0..<lanes {
    let own = Array(sequence.prefix(batches * rows))
    sequence.removeFirst(own.count)
    var mixed: [Int] = []
    for start in stride(from: 0, to: own.count, by: max(1, buffer / lanes)) {
      let window = Array(own[start..<min(start + max(1, buffer / lanes), own.count)])
      var generator = CounterGenerator(
        seed: seed, .shardOrder, epoch, lane, start / max(1, buffer / lanes))
      mixed += generator.permutation(window.count).map { window[$0] }
    }
    laneSamples.append(mixed)
  }
  return (0..<batches).map { batch in
    let shares = laneSamples.map { Array($0[batch * rows..<(batch + 1) * rows]) }
    return switch dealing {
    case .consecutive: shares.flatMap(\.self)
    case .inTurns: (0..<rows).flatMap { row in shares.map { $0[row] } }
    }
  }
}

@Suite struct LaneOrders {
  private let cases: [(counts: [Int], batchSize: Int, lanes: Int, buffer: Int)] = [
    ([7], 2, 1, 3), ([5, 0, 9, 1], 4, 2, 6), ([30, 30, 30, 30, 30], 8, 4, 16), ([1, 1], 1, 1, 1),
    ([0, 3], 3, 3, 100), (Array(repeating: 4, count: 40), 12, 6, 1), ([3, 50, 2], 10, 5, 1000),
  ]

  private func order(
    _ some: (counts: [Int], batchSize: Int, lanes: Int, buffer: Int), seed: UInt64 = 5,
    dealt dealing: Dealing = .consecutive
  ) -> LaneOrder {
    LaneOrder(
      counts: ShardCounts(some.counts), seed: seed, batchSize: some.batchSize, dealt: dealing,
      lanes: some.lanes, buffer: some.buffer)
  }

  @Test(arguments: [Dealing.consecutive, .inTurns])
  func theOrderIsTheOneDescribed(_ dealing: Dealing) {
    for some in cases {
      for epoch in 0..<3 {
        let pass = order(some, dealt: dealing).epoch(epoch)
        let expected = described(
          some.counts, seed: 5, batchSize: some.batchSize, dealt: dealing, lanes: some.lanes,
          buffer: some.buffer, epoch: epoch)
        #expect((0..<pass.count).map(pass.sample) == expected.flatMap(\.self), "\(some)")
      }
    }
  }

  @Test func eachSampleComesOnceOrIsLeftOver() {
    for some in cases {
      let count = some.counts.reduce(0, +)
      let pass = order(some).epoch(2)
      #expect(pass.count == count / some.batchSize * some.batchSize)
      let samples = (0..<pass.count).map(pass.sample)
      #expect(Set(samples).count == pass.count && samples.allSatisfy { (0..<count).contains($0) })
      let lanes = (0..<pass.count).map(pass.reader)
      for lane in 0..<some.lanes {
        #expect(lanes.count { $0 == lane } == pass.count / some.lanes, "lanes are equally long")
      }
    }
  }

  /// Written down, so that a change of the order does not pass unseen: runs would not resume.
  @Test func theOrderStaysWhatItWas() {
    let order = order(([4, 3, 5], 4, 2, 6), seed: 1)
    func samples(_ epoch: Int) -> [Int] { (0..<12).map(order.epoch(epoch).sample) }
    #expect(samples(0) == [8, 7, 2, 1, 9, 11, 3, 4, 10, 0, 5, 6])
    #expect(samples(1) == [9, 8, 0, 6, 7, 4, 5, 2, 10, 11, 1, 3])
  }

  /// A reader's runs give the samples of its positions, and positions of others only from the same windows.
  @Test(arguments: [Dealing.consecutive, .inTurns])
  func readersReadTheirOwnWindowsOnly(_ dealing: Dealing) {
    for some in cases {
      let order = order(some, dealt: dealing)
      let pass = order.epoch(1)
      let share = some.batchSize / some.lanes
      let batches = pass.count / some.batchSize
      for first in 0..<batches {
        for rank in [.only, Rank(0, of: some.lanes), Rank(some.lanes - 1, of: some.lanes)] {
          let wanted = WantedPositions(
            batches: first..<batches, of: some.batchSize, rank: rank, dealt: dealing)
          var found: Set<Int> = []
          for lane in 0..<some.lanes {
            let runs = pass.runs(of: lane, for: wanted)
            #expect(runs.isEmpty == (rank.count > 1 && rank.number != lane), "other ranks' lanes")
            let position = pass.positions(of: lane)
            var read = 0
            for run in runs {
              for member in run.members {
                let place = position(run, member)
                #expect(pass.sample(at: place) == order.counts[run.shard].lowerBound + member)
                #expect(pass.reader(at: place) == lane)
                if wanted.contains(place) { found.insert(place) }
                read += 1
              }
            }
            if !runs.isEmpty {
              #expect(
                read <= (batches - first) * share + order.window, "at most a window more than is needed")
            }
          }
          #expect(found.count == wanted.count)
        }
      }
    }
  }

  @Test func lanesFollowFromTheBatchTheRanksAndTheShards() {
    func lanes(_ batchSize: Int, _ ranks: Int, _ shards: Int = 1000) -> Int {
      LaneOrder.lanes(batchSize: batchSize, ranks: ranks, shards: shards)
    }
    #expect(lanes(256, 1) == 4 && lanes(256, 2) == 4 && lanes(256, 8) == 8 && lanes(4096, 64) == 64)
    #expect(lanes(96, 3) == 6 && lanes(10, 2) == 10 && lanes(7, 1) == 7 && lanes(257, 1) == 1)
    #expect(lanes(256, 1, 1) == 1 && lanes(256, 2, 1) == 2 && lanes(256, 1, 2) == 2)
    for batchSize in 2...40 {
      for ranks in 1...batchSize where batchSize.isMultiple(of: ranks) {
        let found = lanes(batchSize, ranks)
        #expect(found.isMultiple(of: ranks) && batchSize.isMultiple(of: found))
      }
    }
  }

  /// Any sample of a billion, in a shard of a hundred thousand, without the ones before it.
  @Test func aPositionOfABillionFollowsAtOnce() {
    let counts = ShardCounts(repeatElement(10_000, count: 100_000))
    let order = LaneOrder(counts: counts, seed: 1, batchSize: 4096, lanes: 64, buffer: 4096)
    let pass = order.epoch(3)
    #expect(pass.count == 1_000_000_000 / 4096 * 4096)
    let middle = WantedPositions(
      batches: 122_000..<244_140, of: 4096, rank: Rank(17, of: 64), dealt: .consecutive)
    let runs = pass.runs(of: 17, for: middle)
    #expect(middle.count == 122_140 * 64 && runs[0].place == 122_000 * 64)
    #expect(pass.runs(of: 16, for: middle).isEmpty && pass.runs(of: 18, for: middle).isEmpty)
    let position = pass.positions(of: 17)
    let batch = (0..<64).map { pass.sample(at: 122_000 * 4096 + 64 * 17 + $0) }
    let arriving = runs[0].members.prefix(64).map { counts[runs[0].shard].lowerBound + $0 }
    #expect(Set(batch) == Set(arriving))
    #expect(pass.sample(at: position(runs[0], runs[0].members.lowerBound)) == arriving[0])
  }

  /// Two samples that follow one another in a shard lie on average as far apart as in a shuffle of the window: a third
  /// of it, (w + 1)/3. Of 100 windows of 1000 the mean distance has a standard deviation of about 236/√100,000 < 1; 5
  /// allows for the dependence of neighbours.
  @Test func aWindowMixesEvenly() {
    let order = LaneOrder(
      counts: ShardCounts([100_000]), seed: 3, batchSize: 1, lanes: 1, buffer: 1000)
    let pass = order.epoch(0)
    var place = [Int](repeating: 0, count: 100_000)
    for position in 0..<pass.count { place[pass.sample(at: position)] = position }
    let distances = (0..<99_999).filter { $0 % 1000 != 999 }.map { abs(place[$0] - place[$0 + 1]) }
    let mean = Double(distances.reduce(0, +)) / Double(distances.count)
    #expect(abs(mean - 1001.0 / 3) < 5)
  }

  /// Each of 30 samples lies at each place about equally often: 3000 epochs of one window, or of two lanes with a
  /// window of half. 100 a cell are expected; see ``ShardOrders`` for the bound.
  @Test(arguments: [1, 2]) func aWindowThatHoldsAllMixesEvenly(_ lanes: Int) {
    var counts = [[Int]](repeating: [Int](repeating: 0, count: 30), count: 30)
    let order = LaneOrder(
      counts: ShardCounts(repeatElement(1, count: 30)), seed: 3, batchSize: 2, lanes: lanes, buffer: 30)
    for epoch in 0..<3000 {
      let pass = order.epoch(epoch)
      for position in 0..<30 { counts[position][pass.sample(at: position)] += 1 }
    }
    let deviation = counts.joined().reduce(0.0) { $0 + Double(($1 - 100) * ($1 - 100)) / 100 }
    #expect(deviation < 1100)
  }
}
