import Foundation
import Synchronization
import Torch

/// Finds out which rank is to blame when the others wait in vain.
///
/// Every rank tells the store twice a second that it lives, and how many collective operations it has begun. When one
/// of them fails, those that did not fail look at the others: who has not told anything for two seconds is dead or
/// stopped; else who has begun the fewest operations keeps the others waiting. The first finding is settled in the
/// store, so that every rank leaves with the same words.
///
/// The watch has a thread and a connection of its own: neither waits behind a hanging step.
final class RankWatch: Sendable {
  private let store: KeyValueStore
  private let rank: Rank
  private let progress: ProcessGroup.Progress
  private let server: String
  private let isEnding = Atomic<Bool>(false)

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
    var count = 0
    while !isEnding.load(ordering: .relaxed) {
      count += 1
      do {
        try store.set(key(rank.number), "\(count) \(progress.operationsBegun)")
        if let verdict = try store.valueNow(of: Self.verdictKey) { return leave(verdict) }
      } catch {
        return leave("\(server) does not answer any more")
      }
      Thread.sleep(forTimeInterval: Self.beat)
    }
  }

  /// The training thread learns of the end by itself when it next needs the others. One that hangs does not.
  private func leave(_ verdict: String) {
    Thread.sleep(forTimeInterval: Self.patience)
    guard !isEnding.load(ordering: .relaxed) else { return }
    try? FileHandle.standardError.write(contentsOf: Data("moco: \(verdict)\n".utf8))
    _exit(1)
  }

  /// The run has ended, well or not: the watch says nothing any more.
  func end() { isEnding.store(true, ordering: .relaxed) }

  // MARK: - Findings

  static let verdictKey = "verdict"
  private func key(_ number: Int) -> String { "beat/\(number)" }

  /// This rank fails, for a reason of its own or because another has left.
  /// - Returns: what all ranks agree on: the first failure, and whether it was this rank that found it.
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
    return box.failure.withLock(\.self)
      ?? RankFailure("\(server) does not answer any more (rank \(rank.number) noticed)", isOwn: true)
  }

  private final class Settled: Sendable { let failure = Mutex<RankFailure?>(nil) }

  private func finding(for error: any Error) throws -> RankFailure {
    // A peer that fails leaves its reason before it closes its connections.
    if let verdict = try store.valueNow(of: Self.verdictKey) { return RankFailure(verdict, isOwn: false) }
    var finding = "rank \(rank.number) of \(rank.count): \(error)"
    if let error = error as? TorchError, error.kind == .refused, let culprits = try culprits() {
      finding = "\(culprits); the other ranks stopped with it (\(error.message.prefix(160)))"
    }
    let verdict = try store.settle(Self.verdictKey, finding)
    return RankFailure(verdict, isOwn: verdict == finding)
  }

  /// Who keeps the others waiting; nothing where that cannot be seen.
  private func culprits() throws -> String? {
    let before = try beats()
    Thread.sleep(forTimeInterval: Self.silence)
    if let verdict = try store.valueNow(of: Self.verdictKey) { return verdict }
    let after = try beats()
    let others = (0..<rank.count).filter { $0 != rank.number }
    let silent = others.filter { before[$0] == after[$0] }
    if !silent.isEmpty {
      return "\(names(silent)) of \(rank.count) died or stopped answering"
    }
    let begun = after.map { $0?.operations ?? 0 }
    guard let least = begun.min(), let most = begun.max(), least < most else { return nil }
    return "\(names(begun.indices.filter { begun[$0] == least })) of \(rank.count) kept the others waiting "
      + "for longer than --timeout"
  }

  private struct Beat: Equatable {
    var count: Int
    var operations: Int
  }

  private func beats() throws -> [Beat?] {
    try (0..<rank.count).map { number in
      let parts = try store.valueNow(of: key(number))?.split(separator: " ").compactMap { Int($0) } ?? []
      return parts.count == 2 ? Beat(count: parts[0], operations: parts[1]) : nil
    }
  }

  private func names(_ numbers: [Int]) -> String {
    (numbers.count == 1 ? "rank " : "ranks ") + numbers.map(String.init).joined(separator: ", ")
  }
}
