import Testing
import Torch
@testable import Data

/// The order played out as it is described: readers that read when they must, one sample after the other, by turns.
private struct PlayedLane {
  var waiting: [Int]
  var pool: [Int] = []
  let room: Int
  var generator: CounterGenerator

  mutating func next() -> Int? {
    while pool.count < room, !waiting.isEmpty { pool.append(waiting.removeFirst()) }
    if pool.isEmpty { return nil }
    let place = generator.index(below: pool.count)
    let gone = pool[place]
    if waiting.isEmpty {
      pool[place] = pool[pool.count - 1]
      pool.removeLast()
    } else {
      pool[place] = waiting.removeFirst()
    }
    return gone
  }
}

private func played(_ counts: [Int], seed: UInt64, buffer: Int, readers: Int, epoch: Int) -> (
  samples: [Int], readers: [Int]
) {
  var numbers: [[Int]] = []
  var number = 0
  for count in counts {
    numbers.append(Array(number..<number + count))
    number += count
  }
  var generator = CounterGenerator(seed: seed, .shardOrder, epoch)
  var dealt = [[Int]](repeating: [], count: readers)
  for (turn, shard) in generator.permutation(counts.count).enumerated() {
    dealt[turn % readers] += numbers[shard]
  }
  var players = dealt.enumerated().map { reader, samples in
    PlayedLane(
      waiting: samples, room: max(1, buffer / readers),
      generator: CounterGenerator(seed: seed, .shardOrder, epoch, reader))
  }
  var order: [Int] = []
  var from: [Int] = []
  var isOver = false
  while !isOver {
    isOver = true
    for reader in players.indices {
      guard let sample = players[reader].next() else { continue }
      order.append(sample)
      from.append(reader)
      isOver = false
    }
  }
  return (order, from)
}

@Suite struct ShardOrders {
  private let counts = [
    [7], [5, 0, 9, 1], [30, 30, 30, 30, 30], [1, 1], [0, 3], Array(repeating: 4, count: 40),
  ]

  @Test func theOrderIsTheOneDescribed() {
    for counts in counts {
      for (buffer, readers) in [(1, 1), (4, 1), (10, 3), (1000, 4), (2, 7)] {
        for epoch in 0..<3 {
          let order = ShardOrder(counts: counts, seed: 5, buffer: buffer, interleave: readers).epoch(epoch)
          let expected = played(counts, seed: 5, buffer: buffer, readers: readers, epoch: epoch)
          #expect(order.samples == expected.samples, "\(counts), \(buffer), \(readers)")
          #expect(order.samples.indices.map { order.reader(at: $0) } == expected.readers)
          #expect(order.samples.sorted() == Array(0..<counts.reduce(0, +)), "each sample once")
        }
      }
    }
  }

  /// Written down, so that a change of the order does not pass unseen: runs would not resume.
  @Test func theOrderStaysWhatItWas() {
    let order = ShardOrder(counts: [4, 3, 5], seed: 1, buffer: 6, interleave: 2)
    #expect(order.epoch(0).samples == [8, 2, 7, 0, 9, 3, 4, 1, 10, 6, 11, 5])
    #expect(order.epoch(1).samples == [9, 6, 10, 5, 8, 4, 7, 11, 0, 1, 3, 2])
  }

  @Test func epochsAndSeedsDiffer() {
    let order = ShardOrder(counts: [30, 30, 30], seed: 1, buffer: 40)
    #expect(order.interleave == 3)
    #expect(Set((0..<20).map { order.epoch($0).samples }).count == 20)
    #expect(order.epoch(0) != ShardOrder(counts: [30, 30, 30], seed: 2, buffer: 40).epoch(0))
    #expect(order.epoch(3) == ShardOrder(counts: [30, 30, 30], seed: 1, buffer: 40).epoch(3))
  }

  @Test func withoutABufferShardsFollowInTheirOwnOrder() {
    let order = ShardOrder(counts: [3, 3, 3, 3], seed: 9, buffer: 1, interleave: 1).epoch(0)
    let expected = order.shards[0].flatMap { shard in (0..<3).map { shard * 3 + $0 } }
    #expect(order.samples == expected)
    let inOrder = LaneEpoch(inOrder: ShardCounts([2, 0, 3]))
    #expect((0..<inOrder.count).map(inOrder.sample) == [0, 1, 2, 3, 4])
  }

  /// Each of 30 samples lies at each place about equally often: 3000 epochs with a buffer that holds all. 100 a
  /// cell are expected; the sum of squares over 900 cells has 870 degrees of freedom or so, and 1100 is more than
  /// five standard deviations (√(2·870) = 42) above.
  @Test func aBufferThatHoldsAllMixesEvenly() {
    var counts = [[Int]](repeating: [Int](repeating: 0, count: 30), count: 30)
    let order = ShardOrder(counts: [10, 10, 10], seed: 3, buffer: 30, interleave: 1)
    for epoch in 0..<3000 {
      for (position, sample) in order.epoch(epoch).samples.enumerated() { counts[position][sample] += 1 }
    }
    let deviation = counts.joined().reduce(0.0) { $0 + Double(($1 - 100) * ($1 - 100)) / 100 }
    #expect(deviation < 1100)
  }
}
