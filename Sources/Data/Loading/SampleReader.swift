import Images
import Synchronization

/// The files of a pass over a data set: each from its own place, or, where they lie in shards, from streams that read
/// the shards in sequence, ahead of time.
package final class SampleReader: Sendable {
  private struct State {
    var streams: [Int: ShardStream] = [:]
    /// Samples of an open stream that are not yet read.
    var left: [Int: Int] = [:]
    var isCancelled = false
  }

  private let dataset: Dataset
  private let shards: ShardIndex?
  private let epoch: @Sendable (Int) -> ShardEpoch
  /// The positions of each epoch that will be read.
  private let positions: @Sendable (Int) -> Range<Int>
  /// Which of them.
  private let isWanted: @Sendable (Int) -> Bool
  private let state = Mutex(State())
  private let reserve = Mutex<[[UInt8]]?>(nil)

  /// - Parameters:
  ///   - epoch: The order of an epoch's samples, for shards.
  ///   - positions: Each of them that is wanted is read once.
  package init(
    _ dataset: Dataset, epoch: @escaping @Sendable (Int) -> ShardEpoch,
    positions: @escaping @Sendable (Int) -> Range<Int>,
    isWanted: @escaping @Sendable (Int) -> Bool = { _ in true }
  ) {
    (self.dataset, self.epoch, self.positions, self.isWanted) = (dataset, epoch, positions, isWanted)
    shards = dataset.samples is ShardSamples ? dataset.shards : nil
  }

  /// Every sample once in the data set's order, position and sample being the same.
  package convenience init(inOrder dataset: Dataset) {
    let counts = dataset.shards?.counts ?? []
    let count = dataset.count
    self.init(dataset) { _ in
      ShardEpoch(inOrder: counts)
    } positions: { _ in
      0..<count
    }
  }

  /// The file of the sample at a position of an epoch; nil where images are kept as pixels.
  package func file(
    _ sample: Int, epoch: Int, position: Int, using scratch: DecodeScratch
  ) throws -> UnsafeRawBufferPointer? {
    guard let shards else { return try dataset.samples.file(sample, using: scratch) }
    let file = try stream(epoch, of: shards).file(at: position, using: scratch)
    finish(epoch)
    return file
  }

  /// The file of one of the data set's substitutes, in any order; nil where images are kept as pixels.
  package func substitute(_ sample: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    guard let shards else { return try dataset.samples.file(sample, using: scratch) }
    let bytes = try reserve.withLock { reserve in
      let files = try reserve ?? readReserve(of: shards)
      reserve = files
      return files[sample]
    }
    let memory = try scratch.room(forFileOf: bytes.count)
    memory.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(memory)
  }

  /// Read once, by a stream that ``cancel()`` reaches.
  private func readReserve(of shards: ShardIndex) throws -> [[UInt8]] {
    let positions = 0..<dataset.substitutes
    let stream = try opened(-1) { _ in
      ShardStream(shards, ShardEpoch(inOrder: shards.counts), positions: positions)
    }
    defer { stream.cancel() }
    return try positions.map { try stream.bytes(at: $0) }
  }

  private func stream(_ number: Int, of shards: ShardIndex) throws -> ShardStream {
    try opened(number) { state in
      state.left[number] = positions(number).count(where: isWanted)
      return ShardStream(shards, epoch(number), positions: positions(number), where: isWanted)
    }
  }

  private func opened(_ number: Int, _ open: (inout State) -> ShardStream) throws -> ShardStream {
    try state.withLock { state in
      if state.isCancelled { throw ShardError.cancelled }
      if let stream = state.streams[number] { return stream }
      let stream = open(&state)
      state.streams[number] = stream
      return stream
    }
  }

  /// Counts a sample; after the last one the epoch's stream is released.
  private func finish(_ epoch: Int) {
    let ended: ShardStream? = state.withLock { state in
      state.left[epoch, default: 0] -= 1
      guard state.left[epoch] == 0 else { return nil }
      state.left[epoch] = nil
      return state.streams.removeValue(forKey: epoch)
    }
    ended?.cancel()
  }

  /// Every wait for a file ends with an error.
  package func cancel() {
    let all = state.withLock { state in
      state.isCancelled = true
      return Array(state.streams.values)
    }
    all.forEach { $0.cancel() }
  }
}
