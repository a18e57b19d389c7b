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
  private let retries: ShardRetries
  private let pass: @Sendable (Int) -> any ShardPass
  /// The positions of each epoch that will be read.
  private let wanted: @Sendable (Int) -> WantedPositions
  private let state = Mutex(State())
  private let reserve = Mutex<[[UInt8]]?>(nil)
  private let warnings = Mutex<[String]>([])

  /// - Parameters:
  ///   - retries: How often a shard that breaks is started again.
  ///   - pass: How an epoch reads shards.
  ///   - wanted: The positions of an epoch that will be read, each once.
  package init(
    _ dataset: Dataset, retries: ShardRetries, pass: @escaping @Sendable (Int) -> any ShardPass,
    wanted: @escaping @Sendable (Int) -> WantedPositions
  ) {
    (self.dataset, self.retries, self.pass, self.wanted) = (dataset, retries, pass, wanted)
    shards = dataset.samples is ShardSamples ? dataset.shards : nil
  }

  /// Every sample once in the data set's order, position and sample being the same.
  package convenience init(inOrder dataset: Dataset, retries: ShardRetries = ShardRetries()) {
    let counts = dataset.shards?.numbering ?? ShardCounts([])
    self.init(dataset, retries: retries) { _ in
      LaneEpoch(inOrder: counts)
    } wanted: { _ in
      WantedPositions(0..<counts.count)
    }
  }

  /// The file of the sample at a position of an epoch; nil where images are kept as pixels.
  package func file(
    _ sample: Int, epoch: Int, position: Int, using scratch: DecodeScratch
  ) throws -> SampleFile? {
    guard let shards else {
      return try dataset.samples.file(sample, using: scratch).map { SampleFile(bytes: $0) }
    }
    let stream = try stream(epoch, of: shards)
    let file = Result { try stream.file(at: position, using: scratch) }
    finish(epoch)
    return try file.get()
  }

  /// The file of one of the data set's substitutes, in any order; nil where images are kept as pixels.
  package func substitute(_ sample: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    guard let shards else { return try dataset.samples.file(sample, using: scratch) }
    let bytes = try reserve.withLock { reserve in
      let files = try reserve ?? readReserve(of: shards)
      reserve = files
      return files[sample % files.count]
    }
    let memory = try scratch.room(forFileOf: bytes.count)
    memory.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(memory)
  }

  /// The first images, or, where their shard stays away, those of the next. Read once, by a stream that ``cancel()``
  /// reaches.
  private func readReserve(of shards: ShardIndex) throws -> [[UInt8]] {
    var away: any Error = ShardError.noImages(first: shards.sources[0].description, shards: 1, saw: "")
    for shard in shards.counts.indices.lazy.filter({ shards.counts[$0] > 0 }).prefix(10) {
      let first = shards.numbering[shard].lowerBound
      let positions = first..<min(first + dataset.substitutes, shards.count)
      let stream = try opened(-1) { _ in
        ShardStream(
          shards, LaneEpoch(inOrder: shards.numbering), WantedPositions(positions), retries: briefRetries
        ) {
          [weak self] in self?.warn($0)
        }
      }
      defer { close(-1) }
      let files = try positions.compactMap { position -> [UInt8]? in
        do { return try stream.bytes(at: position) } catch  where isFileToBlame(error) {
          away = error
          return nil
        }
      }
      if !files.isEmpty { return files }
    }
    throw away
  }

  /// A shard was given up already, and other ranks wait.
  private var briefRetries: ShardRetries {
    var brief = retries
    if retries.within != nil { brief.count = min(1, retries.count) }
    return brief
  }

  private func stream(_ number: Int, of shards: ShardIndex) throws -> ShardStream {
    try opened(number) { state in
      let wanted = wanted(number)
      state.left[number] = wanted.count
      return ShardStream(shards, pass(number), wanted, retries: retries) { [weak self] in self?.warn($0) }
    }
  }

  private func warn(_ text: String) {
    warnings.withLock { if $0.count < 1000 { $0.append(text) } }
  }

  /// Shards that broke since the last call, a sentence each.
  package func takeWarnings() -> [String] {
    warnings.withLock { warnings in
      defer { warnings = [] }
      return warnings
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

  private func close(_ number: Int) {
    state.withLock { $0.streams.removeValue(forKey: number) }?.cancel()
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
