import Foundation
import Images

/// Hands out the bytes of an epoch's samples while threads of its own, one a reader, read the shards in sequence.
///
/// Memory: of the positions that are still to come, each reader holds at most its shuffle buffer and
/// ``readAhead`` more samples, and of these no more than about ``readAheadBytes``. Bytes lie in pages
/// that are used again, so nothing grows over an epoch.
///
/// Each position is taken once, by any number of threads, and each thread takes its own in ascending order. If
/// positions are not taken, ``cancel()`` must be called: the readers wait for them. Releasing the stream ends its
/// threads and commands.
package final class ShardStream: Sendable {
  /// Samples that are read beyond a shuffle buffer.
  package static let readAhead = 64
  /// About how many bytes a reader may hold beyond its shuffle buffer.
  package static let readAheadBytes = 32 << 20

  private let queue: ShardQueue

  /// - Parameters:
  ///   - index: Of the shards.
  ///   - pass: The order in which samples will be taken.
  ///   - wanted: The positions that will be taken; all unless given. To resume, begin at the next position.
  ///   - retries: How often a shard that breaks is started again.
  ///   - warn: Called with a sentence about each break, on any thread.
  package init(
    _ index: ShardIndex, _ pass: any ShardPass, _ wanted: WantedPositions? = nil,
    retries: ShardRetries = .none, warn: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    precondition(
      pass.counts == index.numbering, "an order of \(pass.counts.count) samples for shards of \(index.count)")
    let wanted = wanted ?? WantedPositions(0..<pass.count)
    precondition(
      wanted.range.lowerBound >= 0 && wanted.range.upperBound <= pass.count,
      "positions \(wanted.range) of \(pass.count)")
    queue = ShardQueue(index, pass, wanted, retries, warn)
    for number in 0..<pass.readers {
      let thread = Thread { [queue] in queue.read(number) }
      thread.name = "moco reader \(number + 1)"
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  deinit { cancel() }

  /// Waits for the sample at `position`. Its bytes stay in `scratch` until that reads the next file.
  ///
  /// - Throws: ``ShardError`` when its shard stays away, when any reader failed or the stream was cancelled, and
  ///   `ImageError.outOfMemory`.
  package func file(at position: Int, using scratch: DecodeScratch) throws -> SampleFile {
    let sample = try queue.take(position)
    defer { queue.giveBack(sample) }
    let memory = try scratch.room(forFileOf: sample.count)
    sample.copy(to: memory)
    return SampleFile(bytes: UnsafeRawBufferPointer(memory), name: sample.name)
  }

  /// A copy of the bytes at `position`.
  ///
  /// - Throws: ``ShardError``.
  package func bytes(at position: Int) throws -> [UInt8] {
    let scratch = DecodeScratch()
    return try withExtendedLifetime(scratch) { [UInt8](try file(at: position, using: scratch).bytes) }
  }

  /// Ends all threads and commands and returns when none is left. Waiting takers get ``ShardError/cancelled``.
  package func cancel() { queue.cancel() }

  /// Bytes that were taken for samples so far, for tests and logs.
  var memory: Int { queue.memory }
}

/// An image's file.
package struct SampleFile {
  package var bytes: UnsafeRawBufferPointer
  /// Its name in its shard, where that was not known before.
  package var name: String?
}

/// A sample's bytes in pages.
struct HeldSample {
  var pages: [UnsafeMutableRawPointer]
  var count: Int
  /// Its name in its shard, where that was not known before.
  var name: String?

  static let pageBytes = 4096

  /// The pages in order with what each holds.
  func forEachPage<Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    var left = count
    for page in pages {
      try body(UnsafeMutableRawBufferPointer(start: page, count: min(left, Self.pageBytes)))
      left -= Self.pageBytes
    }
  }

  func copy(to out: UnsafeMutableRawBufferPointer) {
    var place = 0
    forEachPage { page in
      UnsafeMutableRawBufferPointer(rebasing: out[place..<place + page.count]).copyMemory(
        from: UnsafeRawBufferPointer(page))
      place += page.count
    }
  }
}
