import Files
import Foundation

/// The state that the readers of shards and the takers of samples share.
///
/// No deadlock, as long as each position is taken and each taker goes upwards: a reader waits only while it
/// holds at least a full shuffle buffer, b samples. Let e be the first in the reader's order of departure that is not
/// taken. The e before it were taken, so they arrived; the b held ones arrived too; so at least e + b samples
/// arrived. A shuffle buffer of b lets its e-th sample go when e + b have come (or all have), so that sample is among
/// those held. So of every reader the first missing position is there or on its way, and with it
/// the first missing position of all; its taker waits for nothing else. Positions outside the requested range count
/// as taken when they arrive.
final class ShardQueue: @unchecked Sendable {  // Every variable is only touched with the lock held.
  private struct Reader {
    var held = 0
    var bytes = 0
    var isWaiting = false
    var tar: TarReader?
  }

  private let index: ShardIndex
  private let epoch: ShardEpoch
  private let range: Range<Int>
  private let isInRange: @Sendable (Int) -> Bool
  /// The position of each sample.
  private let positions: [Int32]
  private let changed = NSCondition()
  private var readers: [Reader]
  private var arrived: [Int: HeldSample] = [:]
  private var awaited: Set<Int> = []
  private var isTaken: [Bool]
  private var free: [UnsafeMutableRawPointer] = []
  private var slabs: [UnsafeMutableRawPointer] = []
  private var failure: ShardError?
  private var running: Int

  private static let slabPages = 64

  init(
    _ index: ShardIndex, _ epoch: ShardEpoch, _ range: Range<Int>,
    _ isWanted: @escaping @Sendable (Int) -> Bool
  ) {
    (self.index, self.epoch, self.range) = (index, epoch, range)
    isInRange = { range.contains($0) && isWanted($0) }
    var positions = [Int32](repeating: 0, count: epoch.samples.count)
    for (position, sample) in epoch.samples.enumerated() { positions[sample] = Int32(position) }
    self.positions = positions
    readers = Array(repeating: Reader(), count: epoch.shards.count)
    isTaken = Array(repeating: false, count: range.count)
    running = epoch.shards.count
  }

  deinit { slabs.forEach { $0.deallocate() } }

  private func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    changed.lock()
    defer { changed.unlock() }
    return try body()
  }

  // MARK: Readers

  /// Runs one reader to its end.
  func read(_ number: Int) {
    do throws(ShardError) {
      for shard in epoch.shards[number] where isWanted(shard) { try read(shard, number) }
    } catch {
      fail(error)
    }
    locked {
      running -= 1
      changed.broadcast()
    }
  }

  private func isWanted(_ shard: Int) -> Bool {
    index.samples(ofShard: shard).contains { isInRange(Int(positions[$0])) }
  }

  private func read(_ shard: Int, _ number: Int) throws(ShardError) {
    let tar = try TarReader(index.sources[shard], limit: index.limit)
    locked {
      readers[number].tar = tar
      if failure != nil { tar.cancel() }
    }
    defer { locked { readers[number].tar = nil } }
    let samples = index.samples(ofShard: shard)
    var next = samples.lowerBound
    while let member = try tar.next() {
      guard isShardImage(member.name) else { continue }
      try index.check(member, next - samples.lowerBound, inShard: shard)
      let position = Int(positions[next])
      next += 1
      guard isInRange(position) else { continue }
      let sample = try makeRoom(member.size, number)
      do throws(ShardError) {
        try sample.forEachPage { page throws(ShardError) in try tar.read(into: page) }
      } catch {
        giveBack(sample)
        throw error
      }
      put(sample, position)
    }
    guard next == samples.upperBound else {
      throw index.changed(
        shard, "it ends after \(grouped(next - samples.lowerBound)) of \(grouped(samples.count)) images")
    }
  }

  /// Waits until the reader may hold one more.
  private func makeRoom(_ bytes: Int, _ number: Int) throws(ShardError) -> HeldSample {
    changed.lock()
    defer { changed.unlock() }
    func isFull(ahead: Int) -> Bool {
      let (held, bytes) = (readers[number].held, readers[number].bytes)
      let beyond = held - epoch.buffer
      return beyond >= ahead || (beyond > 0 && bytes / held * beyond >= ShardStream.readAheadBytes)
    }
    if isFull(ahead: ShardStream.readAhead) {
      // Going on only when half of what was read ahead is gone saves most of the waking up.
      readers[number].isWaiting = true
      while failure == nil, isFull(ahead: ShardStream.readAhead / 2) { changed.wait() }
      readers[number].isWaiting = false
    }
    if let failure { throw failure }
    readers[number].held += 1
    readers[number].bytes += bytes
    return takePages(bytes)
  }

  private func takePages(_ bytes: Int) -> HeldSample {
    let count = (bytes + HeldSample.pageBytes - 1) / HeldSample.pageBytes
    while free.count < count {
      let slab = UnsafeMutableRawPointer.allocate(
        byteCount: Self.slabPages * HeldSample.pageBytes, alignment: HeldSample.pageBytes)
      slabs.append(slab)
      free += (0..<Self.slabPages).map { slab + $0 * HeldSample.pageBytes }
    }
    let pages = Array(free.suffix(count))
    free.removeLast(count)
    return HeldSample(pages: pages, count: bytes)
  }

  private func put(_ sample: HeldSample, _ position: Int) {
    locked {
      arrived[position] = sample
      if awaited.remove(position) != nil { changed.broadcast() }
    }
  }

  /// The first failure ends everything: the thread that met it takes no further position, and others would wait for it.
  private func fail(_ error: ShardError) {
    locked {
      failure = failure ?? error
      for reader in readers { reader.tar?.cancel() }
      changed.broadcast()
    }
  }

  // MARK: Takers

  func take(_ position: Int) throws(ShardError) -> HeldSample {
    changed.lock()
    defer { changed.unlock() }
    precondition(isInRange(position), "position \(position) of a stream of \(range)")
    precondition(!isTaken[position - range.lowerBound], "position \(position) is taken for the second time")
    isTaken[position - range.lowerBound] = true
    while true {
      if let failure { throw failure }
      if let sample = arrived.removeValue(forKey: position) {
        let reader = epoch.reader(at: position)
        readers[reader].held -= 1
        readers[reader].bytes -= sample.count
        if readers[reader].isWaiting, readers[reader].held < epoch.buffer + ShardStream.readAhead / 2 {
          changed.broadcast()
        }
        return sample
      }
      awaited.insert(position)
      changed.wait()
    }
  }

  func giveBack(_ sample: HeldSample) { locked { free += sample.pages } }

  func cancel() {
    fail(.cancelled)
    locked { while running > 0 { changed.wait() } }
  }

  var memory: Int { locked { slabs.count * Self.slabPages * HeldSample.pageBytes } }
}
