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
  ///   - epoch: The order in which samples will be taken.
  ///   - index: Of the shards.
  ///   - positions: Those that will be taken; all of the epoch unless given. To resume, begin at the next position.
  ///   - isWanted: Which of these; all unless given.
  package init(
    _ index: ShardIndex, _ epoch: ShardEpoch, positions: Range<Int>? = nil,
    where isWanted: @escaping @Sendable (Int) -> Bool = { _ in true }
  ) {
    precondition(
      epoch.counts == index.counts, "an order of \(epoch.samples.count) samples for shards of \(index.count)")
    let positions = positions ?? 0..<epoch.samples.count
    precondition(
      positions.lowerBound >= 0 && positions.upperBound <= epoch.samples.count,
      "positions \(positions) of \(epoch.samples.count)")
    queue = ShardQueue(index, epoch, positions, isWanted)
    for number in epoch.shards.indices {
      let thread = Thread { [queue] in queue.read(number) }
      thread.name = "moco reader \(number + 1)"
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  deinit { cancel() }

  /// Waits for the sample at `position`. Its bytes stay in `scratch` until that reads the next file.
  ///
  /// - Throws: ``ShardError`` when any reader failed or the stream was cancelled, and `ImageError.outOfMemory`.
  package func file(at position: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer {
    let sample = try queue.take(position)
    defer { queue.giveBack(sample) }
    let memory = try scratch.room(forFileOf: sample.count)
    sample.copy(to: memory)
    return UnsafeRawBufferPointer(memory)
  }

  /// A copy of the bytes at `position`.
  ///
  /// - Throws: ``ShardError``.
  package func bytes(at position: Int) throws -> [UInt8] {
    let scratch = DecodeScratch()
    return try withExtendedLifetime(scratch) { [UInt8](try file(at: position, using: scratch)) }
  }

  /// Ends all threads and commands and returns when none is left. Waiting takers get ``ShardError/cancelled``.
  package func cancel() { queue.cancel() }

  /// Bytes that were taken for samples so far, for tests and logs.
  var memory: Int { queue.memory }
}

/// A sample's bytes in pages.
struct HeldSample {
  var pages: [UnsafeMutableRawPointer]
  var count: Int

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
