import Files
import Foundation
import Synchronization
import Torch

/// Finds out which rank is to blame when the others wait in vain.
///
/// Every rank tells the store twice a second that it lives, and how many collective operations it has begun. When one
/// of them fails, those that did not fail look at the others: who has not told anything for two seconds is dead or
/// stopped; else who has begun the fewest operations keeps the others waiting. The first finding is settled in the
/// store, so that every rank leaves with the same words. A rank that begins nothing new for a second listens to the
/// others meanwhile: after a timeout it need not wait for those two seconds.
///
/// The watch has a thread and a connection of its own: neither waits behind a hanging step.
final class RankMonitor: Sendable {
  private let store: KeyValueStore
  private let rank: Rank
  private let progress: ProcessGroup.Progress
  private let server: String
  private let isEnding = Atomic<Bool>(false)
  private let isAsking = Atomic<Bool>(false)
  private let known = Mutex<RankFailure?>(nil)
  private let heard = Mutex<[Int: Heard]>([:])

  static let beat: TimeInterval = 0.5
  /// How long a rank may be silent. Its telling costs nothing, so that only a machine that stands still delays it.
  private static let silence: TimeInterval = 2
  /// How long a rank has for leaving by itself once the run has ended elsewhere.
  private static let patience: TimeInterval = 3

  /// - Parameter server: Who is to blame where the store itself does not answer.
  init(_ store: KeyValueStore, rank: Rank, progress: ProcessGroup.Progress, server: String) {
    (self.store, self.rank, self.progress, self.server) = (store, rank, progress, server)
    Thread.detachNewThread { [self] in watch() }
  }

  // MARK: - The watch's thread

  private func watch() {
    var (count, begun, still) = (0, 0, 0)
    while !isEnding.load(ordering: .relaxed) {
      count += 1
      still = progress.operationsBegun == begun ? still + 1 : 0
      begun = progress.operationsBegun
      do {
        try store.set(Self.key(rank.number), Beat(count: count, operations: begun).text)
        if still > 1 || isAsking.load(ordering: .relaxed) {
          try listen()
        } else {
          heard.withLock { $0 = [:] }
        }
        if let verdict = try store.valueNow(of: Self.verdictKey) {
          return leave(RankFailure(settled: verdict))
        }
      } catch {
        return leave(RankFailure("\(server) does not answer any more", code: 1))
      }
      Thread.sleep(forTimeInterval: Self.beat)
    }
  }

  /// The training thread learns of the end by itself when it next needs the others. One that hangs does not.
  private func leave(_ failure: RankFailure) {
    known.withLock { $0 = failure }
    Thread.sleep(forTimeInterval: Self.patience)
    guard !isEnding.load(ordering: .relaxed) else { return }
    if !RankLauncher.hasStartedThisProcess {
      try? FileHandle.standardError.write(contentsOf: Data("moco: \(failure)\n".utf8))
    }
    _exit(failure.code)
  }

  /// The run has ended, well or not: the watch says nothing any more.
  func end() { isEnding.store(true, ordering: .relaxed) }

  // MARK: - Findings

  static let verdictKey = "verdict"
  private static func key(_ number: Int) -> String { "beat/\(number)" }

  /// A rank's first word, before it meets the others: whoever has met them can ask for all of theirs.
  static func announce(_ rank: Rank, to store: KeyValueStore) throws {
    try store.set(key(rank.number), Beat(count: 0, operations: 0).text)
  }

  /// This rank fails, for a reason of its own or because another has left.
  /// - Returns: what all ranks agree on: the first failure.
  func settle(_ error: any Error) -> RankFailure {
    // A store on a machine that stands still would keep this thread for ever.
    let isDone = DispatchSemaphore(value: 0)
    let box = Settled()
    Thread.detachNewThread { [self] in
      let failure = try? finding(for: error)
      box.failure.withLock { $0 = failure }
      isDone.signal()
    }
    _ = isDone.wait(timeout: .now() + Self.silence + 2)
    // Where the store has gone with the rank that failed, the watch may have heard the reason before.
    return box.failure.withLock(\.self) ?? known.withLock(\.self)
      ?? RankFailure("\(server) does not answer any more (rank \(rank.number) noticed)", code: 1)
  }

  private final class Settled: Sendable { let failure = Mutex<RankFailure?>(nil) }

  private func finding(for error: any Error) throws -> RankFailure {
    // A peer that fails leaves its reason before it closes its connections.
    if let verdict = try store.valueNow(of: Self.verdictKey) { return RankFailure(settled: verdict) }
    var own = RankFailure("rank \(rank.number) of \(rank.count): \(error)", code: error.isWrongUse ? 2 : 1)
    if let error = error as? TorchError, error.kind == .refused, let culprits = try culprits() {
      own = RankFailure(
        "\(culprits); the other ranks stopped with it (\(error.message.prefix(160)))", code: 1)
    }
    return RankFailure(settled: try store.compareAndSet(Self.verdictKey, own.settled))
  }

  /// Who keeps the others waiting; nothing where that cannot be seen.
  private func culprits() throws -> String? {
    isAsking.store(true, ordering: .relaxed)
    let end = ContinuousClock.now + .seconds(Self.silence + Self.beat)
    while true {
      try listen()
      let silent = heard.withLock { heard in
        heard.filter { ContinuousClock.now - $0.value.since >= .seconds(Self.silence) }.keys.sorted()
      }
      if !silent.isEmpty { return "\(names(silent)) of \(rank.count) died or stopped answering" }
      if ContinuousClock.now > end { break }
      Thread.sleep(forTimeInterval: Self.beat / 2)
    }
    let begun = (0..<rank.count).map { number in
      number == rank.number
        ? progress.operationsBegun : heard.withLock { $0[number]?.beat.operations ?? 0 }
    }
    // A rank that is itself behind failed by itself, before it came to the others.
    guard let least = begun.min(), let most = begun.max(), least < most, begun[rank.number] > least else {
      return nil
    }
    return "\(names(begun.indices.filter { begun[$0] == least })) of \(rank.count) kept the others waiting "
      + "for longer than --timeout"
  }

  private struct Beat: Equatable {
    var count: Int
    var operations: Int

    init(count: Int, operations: Int) { (self.count, self.operations) = (count, operations) }

    init(_ text: String) {
      let numbers = text.split(separator: " ").map { Int($0) ?? 0 }
      self.init(count: numbers.first ?? 0, operations: numbers.last ?? 0)
    }

    var text: String { "\(count) \(operations)" }
  }

  /// What a rank told last, and when that was first heard.
  private struct Heard {
    var beat: Beat
    var since: ContinuousClock.Instant
  }

  /// Hears what every other rank tells.
  private func listen() throws {
    let others = (0..<rank.count).filter { $0 != rank.number }
    let told = try store.values(of: others.map(RankMonitor.key))
    heard.withLock { heard in
      for (number, text) in zip(others, told) where heard[number]?.beat != Beat(text) {
        heard[number] = Heard(beat: Beat(text), since: .now)
      }
    }
  }

  private func names(_ numbers: [Int]) -> String {
    (numbers.count == 1 ? "rank " : "ranks ") + numbers.map(String.init).joined(separator: ", ")
  }
}
