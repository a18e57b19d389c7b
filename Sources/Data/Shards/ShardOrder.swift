import Torch

/// The order in which training sees the samples of shards. A pure function of the shards' counts, the seed and the
/// epoch: no byte is read for it, and no number of workers or ranks changes it.
///
/// Every epoch shuffles the shards and deals them to a fixed number of lanes. A lane reads its shards one after the
/// other through a shuffle buffer: of the samples in it a random one goes out and the next one read takes its place.
/// The lanes take turns; one that has ended is passed over.
public struct ShardOrder: Sendable, Equatable {
  /// Samples of each shard.
  public let counts: [Int]
  public let seed: UInt64
  /// Samples in all shuffle buffers together.
  public let buffer: Int
  public let lanes: Int

  /// - Parameters:
  ///   - counts: Samples of each shard.
  ///   - seed: The run's.
  ///   - buffer: Shared evenly by the lanes, each of which has at least one place. The larger, the better classes
  ///     that lie together in a shard are mixed, and the more memory a ``ShardStream`` takes.
  ///   - lanes: 1 to 255; 4 unless given, or fewer if there are fewer shards. It is part of the order: leave it
  ///     alone when the number of workers or ranks changes.
  public init(counts: [Int], seed: UInt64, buffer: Int = 4096, lanes: Int? = nil) {
    let lanes = lanes ?? max(1, min(4, counts.count))
    precondition((1...255).contains(lanes), "\(lanes) lanes, want 1...255")
    precondition(buffer >= 1, "a shuffle buffer of \(buffer) samples, want at least 1")
    (self.counts, self.seed, self.buffer, self.lanes) = (counts, seed, buffer, lanes)
  }

  /// Samples of an epoch.
  public var count: Int { counts.reduce(0, +) }

  /// Every sample once, in epoch `epoch`'s order.
  public func epoch(_ epoch: Int) -> ShardEpoch {
    var generator = CounterGenerator(seed: seed, .shardOrder, epoch)
    let shards = generator.permutation(counts.count)
    let dealt = (0..<lanes).map { lane in stride(from: lane, to: shards.count, by: lanes).map { shards[$0] } }
    let starts = firstSamples(counts)
    let held = max(1, buffer / lanes)
    let streams = dealt.enumerated().map { lane, shards in
      var generator = CounterGenerator(seed: seed, .shardOrder, epoch, lane)
      return shuffled(shards.flatMap { starts[$0]..<starts[$0 + 1] }, buffer: held, &generator)
    }
    return ShardEpoch(counts: counts, shards: dealt, buffer: held, streams: streams)
  }
}

/// The order of one pass over shards.
public struct ShardEpoch: Sendable, Equatable {
  /// The sample at each position.
  public let samples: [Int]
  /// The shards of each lane in the order in which it reads them.
  public let shards: [[Int]]
  /// Samples that a lane must hold before it can hand out the next one.
  let buffer: Int
  let counts: [Int]
  private let lanes: [UInt8]

  /// The samples of shards as they lie there, in one lane.
  public init(inOrder counts: [Int]) {
    self.init(
      counts: counts, shards: [Array(counts.indices)], buffer: 1, streams: [Array(0..<counts.reduce(0, +))])
  }

  fileprivate init(counts: [Int], shards: [[Int]], buffer: Int, streams: [[Int]]) {
    (self.counts, self.shards, self.buffer) = (counts, shards, buffer)
    var samples: [Int] = []
    var lanes: [UInt8] = []
    for turn in 0..<(streams.map(\.count).max() ?? 0) {
      for (lane, stream) in streams.enumerated() where turn < stream.count {
        samples.append(stream[turn])
        lanes.append(UInt8(lane))
      }
    }
    (self.samples, self.lanes) = (samples, lanes)
  }

  /// The lane that a position's sample comes from. Who needs only the positions of some lanes need read only those.
  public func lane(at position: Int) -> Int { Int(lanes[position]) }
}

/// Where each shard's samples begin in the numbers of all, and one more: where the last one's end.
func firstSamples(_ counts: [Int]) -> [Int] {
  counts.reduce(into: [0]) { starts, count in starts.append(starts[starts.count - 1] + count) }
}

/// What comes out of a shuffle buffer.
private func shuffled(_ arriving: [Int], buffer: Int, _ generator: inout CounterGenerator) -> [Int] {
  var held = Array(arriving.prefix(buffer))
  var rest = arriving.dropFirst(buffer).makeIterator()
  var leaving: [Int] = []
  leaving.reserveCapacity(arriving.count)
  while let last = held.last {
    let drawn = generator.index(below: held.count)
    leaving.append(held[drawn])
    if let next = rest.next() {
      held[drawn] = next
    } else {
      held[drawn] = last
      held.removeLast()
    }
  }
  return leaving
}
