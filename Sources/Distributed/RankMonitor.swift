import Files
import Foundation
import Synchronization
import Torch

/// Finds the rank that keeps the others waiting.
///
/// Twice a second every rank writes a heartbeat and its number of started collective operations to the store.
/// When an operation fails, the ranks that did not cause it check the others: a rank without a heartbeat for
/// two seconds is dead or stopped; otherwise the rank with the fewest started operations keeps the others
/// waiting. The first finding is settled in the store, so that every rank ends with the same message. A rank
/// that starts nothing new for a second already reads the others' heartbeats: after a timeout it need not
/// wait for those two seconds.
///
/// The monitor has its own thread and connection, so it does not wait behind a hanging step.
final class RankMonitor: Sendable {
  private let store: KeyValueStore
  private let rank: Rank
  private let progress: ProcessGroup.Progress
  private let server: String
  private let isEnding = Atomic<Bool>(false)
  private let isSearching = Atomic<Bool>(false)
  private let known = Mutex<RankFailure?>(nil)
  private let lastBeats = Mutex<[Int: LastBeat]>([:])

  static let beat: TimeInterval = 0.5
  /// The longest time without a heartbeat. A heartbeat costs almost nothing, so only a stopped machine delays
  /// it.
  private static let silence: TimeInterval = 2
  /// The time that a rank has to end by itself after the run has ended in another rank.
  private static let patience: TimeInterval = 3

  /// - Parameter server: The culprit if the store itself does not answer.
  init(_ store: KeyValueStore, rank: Rank, progress: ProcessGroup.Progress, server: String) {
    (self.store, self.rank, self.progress, self.server) = (store, rank, progress, server)
    Thread.detachNewThread { [self] in watch() }
  }

  // MARK: - The monitor's thread

  private func watch() {
    var (count, begun, still) = (0, 0, 0)
    while !isEnding.load(ordering: .relaxed) {
      count += 1
      still = progress.operationsBegun == begun ? still + 1 : 0
      begun = progress.operationsBegun
      do {
        try store.set(Self.key(rank.number), Beat(count: count, operations: begun).text)
        if still > 1 || isSearching.load(ordering: .relaxed) {
          try readBeats()
        } else {
          lastBeats.withLock { $0 = [:] }
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

  /// The training thread notices the end itself when it next needs the others. A hanging thread does not.
  private func leave(_ failure: RankFailure) {
    known.withLock { $0 = failure }
    Thread.sleep(forTimeInterval: Self.patience)
    guard !isEnding.load(ordering: .relaxed) else { return }
    if !RankLauncher.hasStartedThisProcess {
      try? FileHandle.standardError.write(contentsOf: Data("moco: \(failure)\n".utf8))
    }
    _exit(failure.code)
  }

  /// The run has ended, with or without an error: the monitor reports nothing more.
  func end() { isEnding.store(true, ordering: .relaxed) }

  // MARK: - Findings

  static let verdictKey = "verdict"
  private static func key(_ number: Int) -> String { "beat/\(number)" }

  /// Writes a rank's first heartbeat before it connects to the others: after that all heartbeats can be read.
  static func announce(_ rank: Rank, to store: KeyValueStore) throws {
    try store.set(key(rank.number), Beat(count: 0, operations: 0).text)
  }

  /// Reports this rank's failure, with its own cause or because another rank has left.
  /// - Returns: the first failure, the same in all ranks.
  func settle(_ error: any Error) -> RankFailure {
    // A store on a stopped machine would block this thread for ever.
    let isDone = DispatchSemaphore(value: 0)
    let box = Settled()
    Thread.detachNewThread { [self] in
      let failure = try? finding(for: error)
      box.failure.withLock { $0 = failure }
      isDone.signal()
    }
    _ = isDone.wait(timeout: .now() + Self.silence + 2)
    // If the store ended with the failed rank, the monitor may have read the reason before.
    return box.failure.withLock(\.self) ?? known.withLock(\.self)
      ?? RankFailure("\(server) does not answer any more (rank \(rank.number) noticed)", code: 1)
  }

  private final class Settled: Sendable { let failure = Mutex<RankFailure?>(nil) }

  private func finding(for error: any Error) throws -> RankFailure {
    // A failing peer writes its reason before it closes its connections.
    if let verdict = try store.valueNow(of: Self.verdictKey) { return RankFailure(settled: verdict) }
    var own = RankFailure("rank \(rank.number) of \(rank.count): \(error)", code: error.isWrongUse ? 2 : 1)
    if let error = error as? TorchError, error.kind == .refused, let culprits = try culprits() {
      own = RankFailure(
        "\(culprits); the other ranks stopped with it (\(error.message.prefix(160)))", code: 1)
    }
    return RankFailure(settled: try store.compareAndSet(Self.verdictKey, own.settled))
  }

  /// The ranks that keep the others waiting; nil if that cannot be seen.
  private func culprits() throws -> String? {
    isSearching.store(true, ordering: .relaxed)
    let end = ContinuousClock.now + .seconds(Self.silence + Self.beat)
    while true {
      try readBeats()
      let silent = lastBeats.withLock { lastBeats in
        lastBeats.filter { ContinuousClock.now - $0.value.since >= .seconds(Self.silence) }.keys.sorted()
      }
      if !silent.isEmpty { return "\(Self.names(silent)) of \(rank.count) died or stopped answering" }
      if ContinuousClock.now > end { break }
      Thread.sleep(forTimeInterval: Self.beat / 2)
    }
    let begun = (0..<rank.count).map { number in
      number == rank.number
        ? progress.operationsBegun : lastBeats.withLock { $0[number]?.beat.operations ?? 0 }
    }
    // A rank that is itself behind has failed by itself, before the operation of the others.
    guard let least = begun.min(), let most = begun.max(), least < most, begun[rank.number] > least else {
      return nil
    }
    return
      "\(Self.names(begun.indices.filter { begun[$0] == least })) of \(rank.count) kept the others waiting "
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

  /// A rank's last heartbeat, and the time when it was first read.
  private struct LastBeat {
    var beat: Beat
    var since: ContinuousClock.Instant
  }

  /// Reads every other rank's heartbeat.
  private func readBeats() throws {
    let others = (0..<rank.count).filter { $0 != rank.number }
    let beats = try store.values(of: others.map(RankMonitor.key))
    lastBeats.withLock { lastBeats in
      for (number, text) in zip(others, beats) where lastBeats[number]?.beat != Beat(text) {
        lastBeats[number] = LastBeat(beat: Beat(text), since: .now)
      }
    }
  }

  static func names(_ numbers: [Int]) -> String {
    (numbers.count == 1 ? "rank " : "ranks ") + numbers.map(String.init).joined(separator: ", ")
  }
}
