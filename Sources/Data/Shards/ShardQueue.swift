import Files
import Foundation

/// The state that the readers of shards and the takers of samples share.
///
/// No deadlock, as long as each position is taken and each taker goes upwards: a reader waits only while it
/// holds at least a full buffer, b samples. Let e be the first in the reader's order of departure that is not
/// taken. The e before it were taken, so they arrived; the b held ones arrived too; so at least e + b samples
/// arrived. Of a shuffle buffer of b the e-th sample can go when e + b have come (or all have), and of a window of b
/// when the window has come, whose last sample is at most the (e + b)-th: so that sample is among those held. So of
/// every reader the first missing position is there or on its way, and with it the first missing position of all; its
/// taker waits for nothing else. Positions that are not wanted count as taken when they arrive. An image that will
/// never come arrives as an error.
final class ShardQueue: @unchecked Sendable {  // Every variable is only touched with the lock held.
  private struct Reader {
    var held = 0
    var bytes = 0
    var isWaiting = false
    var tar: TarReader?
  }

  private let index: ShardIndex
  private let pass: any ShardPass
  private let wanted: WantedPositions
  private let retries: ShardRetries
  private let warn: @Sendable (String) -> Void
  private let changed = NSCondition()
  private var readers: [Reader]
  private var arrived: [Int: Result<HeldSample, ShardError>] = [:]
  private var awaited: Set<Int> = []
  private var free: [UnsafeMutableRawPointer] = []
  private var slabs: [UnsafeMutableRawPointer] = []
  private var failure: ShardError?
  private var running: Int

  private static let slabPages = 64

  init(
    _ index: ShardIndex, _ pass: any ShardPass, _ wanted: WantedPositions, _ retries: ShardRetries,
    _ warn: @escaping @Sendable (String) -> Void
  ) {
    (self.index, self.pass, self.wanted, self.retries, self.warn) = (index, pass, wanted, retries, warn)
    readers = Array(repeating: Reader(), count: pass.readers)
    running = pass.readers
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
    let position = pass.positions(of: number)
    do throws(ShardError) {
      for run in pass.runs(of: number, for: wanted) { try read(run, number) { position(run, $0) } }
    } catch {
      fail(error)
    }
    locked {
      running -= 1
      changed.broadcast()
    }
  }

  /// How far a reader came in a run.
  private struct Progress {
    /// The next image to hand on.
    var next: Int
    /// The first images of the shard, of all readings.
    var seen = MemberDigest()
    /// The images that the last reading met.
    var met = 0
  }

  /// Reads a run, from its beginning again where it breaks. A shard that stays away is passed over: its images arrive
  /// as errors.
  private func read(_ run: ShardRun, _ number: Int, _ position: (Int) -> Int) throws(ShardError) {
    var progress = Progress(next: run.members.lowerBound)
    let source = index.sources[run.shard]
    let broken = try retries.attempts { () throws(ShardError) in
      let before = progress.next
      guard var broken = try readOrBreak(run, number, &progress, position) else { return nil }
      if broken.error.isBreak, progress.next == run.members.upperBound {
        warn("\(source.shortName) failed after its last image (\(broken.error)); all of its images were read")
        return nil
      }
      broken.hasNew = progress.next > before
      return broken
    } wait: { error, attempt, seconds throws(ShardError) in
      warn(
        "\(source.shortName) broke after \(grouped(progress.met)) image\(progress.met == 1 ? "" : "s") (\(error)); "
          + "attempt \(attempt) of \(retries.count) in \(fixed(seconds, seconds < 1 ? 2 : 0)) s")
      try wait(seconds)
    }
    if let broken { try giveUp(run, number, broken.error, from: progress.next, position) }
  }

  private func readOrBreak(
    _ run: ShardRun, _ number: Int, _ progress: inout Progress, _ position: (Int) -> Int
  ) throws(ShardError) -> ShardRetries.Break? {
    let source = index.sources[run.shard]
    do throws(ShardError) {
      guard let found = try readOnce(run, number, &progress, position) else { return nil }
      // Of a pipeline only the last program's exit status is seen.
      return .init(error: index.endsEarly(run.shard, after: found), canPass: source.isCommand)
    } catch {
      // A file's contents stay what they are.
      let isDamaged = if case .damaged = error { true } else { false }
      return .init(error: error, canPass: error.isBreak && (source.isCommand || !isDamaged))
    }
  }

  /// The rest of a run arrives as errors. A shard that is another one than it should be ends everything.
  private func giveUp(
    _ run: ShardRun, _ number: Int, _ error: ShardError, from next: Int, _ position: (Int) -> Int
  ) throws(ShardError) {
    guard error.isBreak else {
      index.forget(run.shard)
      throw error
    }
    warn(
      "\(index.sources[run.shard].shortName) is given up (\(error)): \(grouped(run.members.upperBound - next)) of its "
        + "images count as unreadable")
    // After the break nothing of the shard can be read, whoever else wants it.
    let givenUp = ShardError.givenUp(images: index.counts[run.shard] - next, reason: "\(error)")
    for member in next..<run.members.upperBound { try handOn(givenUp, number, position(member)) }
  }

  /// Reads a run's images from ``Progress/next`` on.
  ///
  /// - Returns: The shard's number of images if it ends too early.
  private func readOnce(
    _ run: ShardRun, _ number: Int, _ progress: inout Progress, _ position: (Int) -> Int
  ) throws(ShardError) -> Int? {
    let source = index.sources[run.shard]
    progress.met = 0
    // The members of a plain file are stepped over: a large block would mostly read what is not wanted.
    let block = !source.isCommand && progress.next > 0 ? 16 << 10 : 128 << 10
    let tar = try TarReader(source, limit: index.limit, blockBytes: block, patience: retries.patience)
    locked {
      readers[number].tar = tar
      if failure != nil { tar.cancel() }
    }
    defer { locked { readers[number].tar = nil } }
    var seen = MemberDigest()
    var last: String?
    while let found = try tar.next() {
      guard let name = SampleName(found.name), index.rule.takes(name) else { continue }
      let member = seen.count
      try index.check(found, member, inShard: run.shard) { () throws(ShardError) in
        try tar.countImages(index.rule)
      }
      // A listing would have found it.
      if index.rule == .plain, name.key == last {
        throw .twoImages(shard: source.description, member: found.name)
      }
      last = name.key
      seen.add(found)
      progress.met = seen.count
      if seen.count == progress.seen.count, !seen.isSame(as: progress.seen) {
        throw .otherAfterBreak(shard: source.description, members: seen.count)
      }
      if member == progress.next {
        try handOn(found, of: tar, number, position(member))
        progress.next += 1
      }
      if seen.count > progress.seen.count { progress.seen = seen }
      // The rest is another reader's.
      if seen.count == run.members.upperBound, seen.count < index.counts[run.shard] { return nil }
    }
    return seen.count < index.counts[run.shard] ? seen.count : nil
  }

  private func handOn(
    _ member: TarMember, of tar: TarReader, _ number: Int, _ position: Int
  ) throws(ShardError) {
    guard wanted.contains(position) else { return }
    var sample = try makeRoom(member.size, number)
    sample.name = index.listings == nil ? member.name : nil
    do throws(ShardError) {
      try sample.forEachPage { page throws(ShardError) in try tar.read(into: page) }
    } catch {
      locked { release(sample, by: number) }
      giveBack(sample)
      throw error
    }
    put(.success(sample), position)
  }

  private func handOn(_ error: ShardError, _ number: Int, _ position: Int) throws(ShardError) {
    guard wanted.contains(position) else { return }
    _ = try makeRoom(0, number)
    put(.failure(error), position)
  }

  /// Waits until the reader may hold one more.
  private func makeRoom(_ bytes: Int, _ number: Int) throws(ShardError) -> HeldSample {
    changed.lock()
    defer { changed.unlock() }
    func isFull(ahead: Int) -> Bool {
      let (held, bytes) = (readers[number].held, readers[number].bytes)
      let beyond = held - pass.buffer
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

  private func put(_ sample: Result<HeldSample, ShardError>, _ position: Int) {
    locked {
      arrived[position] = sample
      if awaited.remove(position) != nil { changed.broadcast() }
    }
  }

  /// Waits before a shard is started again.
  private func wait(_ seconds: Double) throws(ShardError) {
    changed.lock()
    defer { changed.unlock() }
    let end = Date(timeIntervalSinceNow: seconds)
    while failure == nil, changed.wait(until: end) {}
    if let failure { throw failure }
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
    precondition(wanted.contains(position), "position \(position) of a stream of \(wanted)")
    while true {
      if let failure { throw failure }
      if let sample = arrived.removeValue(forKey: position) {
        let reader = pass.reader(at: position)
        release(try? sample.get(), by: reader)
        if readers[reader].isWaiting, readers[reader].held < pass.buffer + ShardStream.readAhead / 2 {
          changed.broadcast()
        }
        return try sample.get()
      }
      awaited.insert(position)
      changed.wait()
    }
  }

  /// Nil for an image that did not come.
  private func release(_ sample: HeldSample?, by reader: Int) {
    readers[reader].held -= 1
    readers[reader].bytes -= sample?.count ?? 0
  }

  func giveBack(_ sample: HeldSample) { locked { free += sample.pages } }

  func cancel() {
    fail(.cancelled)
    locked { while running > 0 { changed.wait() } }
  }

  var memory: Int { locked { slabs.count * Self.slabPages * HeldSample.pageBytes } }
}
