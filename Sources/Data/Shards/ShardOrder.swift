import Torch

/// The order in which ``ShardWriter`` packs the samples of shards anew, and in which runs that were begun before there
/// was a ``LaneOrder`` go on. A pure function of the shards' counts, the seed and the epoch; it is drawn whole, in
/// memory for all samples.
///
/// Every epoch shuffles the shards and deals them to a fixed number of readers. Each reads its shards one after the
/// other through a shuffle buffer: of the samples in it a random one goes out and the next one read takes its place.
/// The readers take turns; one that has ended is passed over.
package struct ShardOrder: Sendable, Equatable {
  /// Samples of each shard.
  package let counts: [Int]
  package let seed: UInt64
  /// Samples in all shuffle buffers together.
  package let buffer: Int
  /// Shards that are read at a time, by a reader each.
  package let interleave: Int

  /// - Parameters:
  ///   - counts: Samples of each shard.
  ///   - seed: The run's.
  ///   - buffer: Shared evenly by the readers, each of which has at least one place. The larger, the better classes
  ///     that lie together in a shard are mixed, and the more memory a ``ShardStream`` takes.
  ///   - interleave: Readers, 1 to 255; 4 unless given, or fewer if there are fewer shards. It is part of the order:
  ///     leave it as it is when the number of workers or ranks changes.
  package init(counts: [Int], seed: UInt64, buffer: Int = 4096, interleave: Int? = nil) {
    let interleave = interleave ?? max(1, min(4, counts.count))
    precondition((1...255).contains(interleave), "\(interleave) readers, want 1...255")
    precondition(buffer >= 1, "a shuffle buffer of \(buffer) samples, want at least 1")
    (self.counts, self.seed, self.buffer, self.interleave) = (counts, seed, buffer, interleave)
  }

  /// Samples of an epoch.
  package var count: Int { counts.reduce(0, +) }

  /// Every sample once, in epoch `epoch`'s order.
  package func epoch(_ epoch: Int) -> ShardEpoch {
    var generator = CounterGenerator(seed: seed, .shardOrder, epoch)
    let shards = generator.permutation(counts.count)
    let dealt = (0..<interleave).map { reader in
      stride(from: reader, to: shards.count, by: interleave).map { shards[$0] }
    }
    let numbered = ShardCounts(counts)
    let held = max(1, buffer / interleave)
    let streams = dealt.enumerated().map { reader, shards in
      var generator = CounterGenerator(seed: seed, .shardOrder, epoch, reader)
      return shuffled(shards.flatMap { numbered[$0] }, buffer: held, &generator)
    }
    return ShardEpoch(counts: numbered, shards: dealt, buffer: held, streams: streams)
  }
}

/// The order of one pass over shards through shuffle buffers.
package struct ShardEpoch: ShardPass, Equatable {
  /// The sample at each position.
  package let samples: [Int]
  /// The shards of each reader in the order in which it reads them.
  package let shards: [[Int]]
  package let buffer: Int
  package let counts: ShardCounts
  private let readerNumbers: [UInt8]
  /// The position of each sample.
  private let positions: [Int32]

  fileprivate init(counts: ShardCounts, shards: [[Int]], buffer: Int, streams: [[Int]]) {
    (self.counts, self.shards, self.buffer) = (counts, shards, buffer)
    var samples: [Int] = []
    var readers: [UInt8] = []
    for turn in 0..<(streams.map(\.count).max() ?? 0) {
      for (reader, stream) in streams.enumerated() where turn < stream.count {
        samples.append(stream[turn])
        readers.append(UInt8(reader))
      }
    }
    var positions = [Int32](repeating: 0, count: samples.count)
    for (position, sample) in samples.enumerated() { positions[sample] = Int32(position) }
    (self.samples, readerNumbers, self.positions) = (samples, readers, positions)
  }

  package var count: Int { samples.count }
  package var readers: Int { shards.count }
  package func sample(at position: Int) -> Int { samples[position] }
  package func reader(at position: Int) -> Int { Int(readerNumbers[position]) }

  package func runs(of reader: Int, for wanted: WantedPositions) -> [ShardRun] {
    var place = 0
    return shards[reader].compactMap { shard in
      let samples = counts[shard]
      defer { place += samples.count }
      guard samples.contains(where: { wanted.contains(Int(positions[$0])) }) else { return nil }
      return ShardRun(shard: shard, members: 0..<samples.count, place: place)
    }
  }

  package func positions(of reader: Int) -> (ShardRun, Int) -> Int {
    { [self] run, member in Int(positions[counts[run.shard].lowerBound + member]) }
  }
}

/// The output of a shuffle buffer.
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
