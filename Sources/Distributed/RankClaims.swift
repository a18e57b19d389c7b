import Files
import Foundation
import Torch

/// Settings that all ranks of a launch must have in common, by name: `--seed`: `1`.
package struct RankClaims: Sendable, Codable {
  private var settings: [Setting] = []

  private struct Setting: Codable, Equatable {
    let name: String
    let value: String
  }

  /// - Parameter settings: In the order of the message that names the differences.
  package init(_ settings: [(name: String, value: String)] = []) {
    self.settings = settings.map { Setting(name: $0.name, value: $0.value) }
  }

  /// Compares them with those of all ranks of the launch, before these wait for one another in any other way.
  /// - Throws: ``RankFailure``, the same in every rank, that names the first rank with other settings than rank
  ///   0 and all of its differences; `RunError` that names the ranks that have not come in time; `UsageError`
  ///   if another process has this rank.
  func compare(_ rank: Rank, over store: KeyValueStore, timeout: Duration) throws {
    var own = self
    own.settings.insert(Setting(name: "the number of ranks", value: "\(rank.count)"), at: 0)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys  // equal settings have equal texts
    let text = String(decoding: try encoder.encode(own), as: UTF8.self)
    // The random part shows two processes that have one rank.
    let mark = "\(crc(text)) \(UInt64.random(in: 0...(.max)))"
    guard try store.compareAndSet(Self.markKey(rank.number), mark) == mark else {
      throw UsageError(
        "another process has come as rank \(rank.number) of \(rank.count). Give every process a rank of its "
          + "own, and start a launch again as a whole.")
    }
    try store.set(Self.key(rank.number), text)
    guard let failure = try Self.failure(of: rank.count, in: store, timeout: timeout) else { return }
    try store.set(Self.readKey(rank.number), "")
    if rank.number == 0 { try Self.waitForReaders(of: rank.count, in: store) }
    throw failure
  }

  /// The failure that the ranks settled on; nil if all of them have come with equal settings.
  private static func failure(
    of count: Int, in store: KeyValueStore, timeout: Duration
  ) throws -> RankFailure? {
    guard let whole = try marks(of: count, in: store, timeout: timeout) else {
      return RankFailure(settled: try store.value(of: RankMonitor.verdictKey))
    }
    let marks = whole.map { $0.prefix { $0 != " " } }
    guard let other = marks.indices.first(where: { marks[$0] != marks[0] }) else { return nil }
    let differences = try read(other, in: store).differences(from: read(0, in: store))
    let failure = RankFailure(
      "rank \(other) of \(count) has \(differences). Start all ranks with the same command.", code: 2)
    return RankFailure(settled: try store.compareAndSet(RankMonitor.verdictKey, failure.settled))
  }

  /// Rank 0 waits until those that have come have read the failure, because the store may end with it.
  private static func waitForReaders(of count: Int, in store: KeyValueStore) throws {
    let keys = try (0..<count).filter { try store.hasValues(of: [markKey($0)]) }.map(readKey)
    for _ in 0..<100 where try !store.hasValues(of: keys) { Thread.sleep(forTimeInterval: 0.05) }
  }

  private func differences(from first: RankClaims) -> String {
    let names = settings.map(\.name) + first.settings.map(\.name).filter { name in !has(name) }
    return names.filter { self[$0] != first[$0] }
      .map { "\($0) \(self[$0] ?? "unset") (rank 0: \(first[$0] ?? "unset"))" }.joined(separator: ", ")
  }

  private subscript(name: String) -> String? { settings.first { $0.name == name }?.value }
  private func has(_ name: String) -> Bool { self[name] != nil }

  // MARK: - In the store

  private static func key(_ number: Int) -> String { "claims/\(number)" }
  private static func markKey(_ number: Int) -> String { "claimed/\(number)" }

  private static func readKey(_ number: Int) -> String { "claims-read/\(number)" }

  private static func read(_ number: Int, in store: KeyValueStore) throws -> RankClaims {
    try JSONDecoder().decode(RankClaims.self, from: Data(store.value(of: key(number)).utf8))
  }

  /// All ranks' marks; nil if the ranks have settled on a failure before.
  private static func marks(of count: Int, in store: KeyValueStore, timeout: Duration) throws -> [String]? {
    let keys = (0..<count).map(markKey)
    let deadline = ContinuousClock.now + timeout
    while try !store.hasValues(of: keys) {
      if try store.hasValues(of: [RankMonitor.verdictKey]) { return nil }
      guard .now < deadline else {
        let missing = try keys.indices.filter { try !store.hasValues(of: [keys[$0]]) }
        throw RunError("\(RankMonitor.names(missing)) did not come")
      }
      Thread.sleep(forTimeInterval: 0.05)
    }
    return try store.values(of: keys)
  }

  private func crc(_ text: String) -> UInt32 { Array(text.utf8).withUnsafeBytes { crc32($0) } }
}
