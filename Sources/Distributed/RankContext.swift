import Files
import Foundation
import Torch

/// One rank's view of all the ranks of a run.
package final class RankContext {
  package let group: ProcessGroup
  /// Its number among the ranks of this machine, which is the number of its GPU.
  package let localNumber: Int
  private let store: KeyValueStore?
  private let watch: RankMonitor?
  private let servesStore: Bool
  private var shared = 0

  package var rank: Rank { group.rank }
  /// Whether this rank writes the run's folder, the log and the user's output.
  package var isFirst: Bool { rank.number == 0 }

  /// A single process.
  package static var alone: RankContext {
    RankContext(.alone, localNumber: 0, store: nil, watch: nil, servesStore: false)
  }

  private init(
    _ group: ProcessGroup, localNumber: Int, store: KeyValueStore?, watch: RankMonitor?, servesStore: Bool
  ) {
    (self.group, self.localNumber, self.store, self.watch) = (group, localNumber, store, watch)
    self.servesStore = servesStore
  }

  /// Connects to the other ranks; returns when all are there.
  /// - Parameters:
  ///   - environment: The launcher's variables; nil for a single process.
  ///   - claims: Settings that must be the same in all ranks.
  ///   - timeout: The limit of every wait for other ranks, here and in every operation.
  /// - Throws: ``RankFailure`` if the ranks have different settings; `UsageError` if another process has this
  ///   rank; `RunError` if they do not meet in time.
  package static func meet(
    _ environment: RankEnvironment?, claims: RankClaims = RankClaims(), timeout: Duration
  ) throws -> RankContext {
    guard let environment else { return .alone }
    let rank = environment.rank
    do {
      let store = try RankStore(environment, timeout: timeout).open()
      try claims.compare(rank, over: store, timeout: timeout)
      try RankMonitor.announce(rank, to: store)
      let group = try ProcessGroup(store, rank: rank, timeout: timeout)
      let isServer = environment.isServedByRank0
      let watch = RankMonitor(
        try KeyValueStore(
          host: environment.host, port: store.port, serves: false, prefix: environment.attempt,
          timeout: timeout),
        rank: rank, progress: group.progress,
        server: isServer ? "rank 0 of \(rank.count)" : "the launcher at \(environment.host):\(store.port)")
      let context = RankContext(
        group, localNumber: environment.localNumber, store: store, watch: watch,
        servesStore: isServer && rank.number == 0)
      try context.shareCores()
      return context
    } catch let error where error is RankFailure || error is UsageError {
      throw error
    } catch {
      let ports = environment.ports.map(String.init).joined(separator: ", ")
      let reason = (error as? TorchError)?.message.split(separator: "\n").first.map(String.init) ?? "\(error)"
      throw RunError(
        "rank \(rank.number) of \(rank.count) did not meet the others at \(environment.host):\(ports) within "
          + "\(timeout): \(reason). "
          + "Start all ranks, check that this address is reached from every machine, or give them more --timeout."
      )
    }
  }

  /// Runs the work of all ranks. A failure in one rank ends all of them, with the same message.
  /// - Throws: ``RankFailure``; the error itself if there is only one rank.
  package func run<Result>(_ body: () throws -> Result) throws -> Result {
    guard let watch else { return try body() }
    do {
      let result = try body()
      // No rank leaves before the others are done, because the store may end with it.
      try withTorchErrors { group.barrier() }
      return result
    } catch {
      if error is RankFailure { throw error }
      let failure = watch.settle(error)
      // If this rank serves the store, the others need a moment to read the reason.
      if servesStore { Thread.sleep(forTimeInterval: 2 * RankMonitor.beat) }
      throw failure
    }
  }

  /// Call it when this rank no longer needs the others.
  package func leave() {
    watch?.end()
    if servesStore, let store { RankStore.markEnded(store) }
  }

  // MARK: - Agreeing

  /// Rank 0's value, in every rank.
  package func shared<Value: Codable>(_ value: Value) throws -> Value {
    guard let store, rank.count > 1 else { return value }
    shared += 1
    let key = "shared/\(shared)"
    if isFirst {
      try store.set(key, String(decoding: JSONEncoder().encode(value), as: UTF8.self))
      return value
    }
    return try JSONDecoder().decode(Value.self, from: Data(store.value(of: key).utf8))
  }

  /// Every rank's value, in the order of the ranks, in every rank. For small values. Waits for all of them.
  package func allGather<Value: Codable>(_ value: Value) throws -> [Value] {
    guard rank.count > 1 else { return [value] }
    let own = try JSONEncoder().encode(value).map { Double($0) }
    let counts = try rows([Double(own.count)]).map { Int($0[0]) }
    let longest = counts.max() ?? 0
    let all = try rows(own + [Double](repeating: 0, count: longest - own.count))
    return try zip(all, counts).map { row, count in
      try JSONDecoder().decode(Value.self, from: Data(row.prefix(count).map { UInt8($0) }))
    }
  }

  /// Every rank's bytes, in the order of the ranks, in every rank. Waits for all of them.
  package func allGather(bytes own: [UInt8]) throws -> [[UInt8]] {
    guard rank.count > 1 else { return [own] }
    let counts = try rows([Double(own.count)]).map { Int($0[0]) }
    let longest = counts.max() ?? 0
    guard longest > 0 else { return counts.map { _ in [] } }
    let padded = own + [UInt8](repeating: 0, count: longest - own.count)
    let all = try withTorchErrors {
      group.allGather(Tensor(padded, shape: [1, longest])).array(of: UInt8.self)
    }
    return counts.enumerated().map { rank, count in Array(all[rank * longest..<rank * longest + count]) }
  }

  /// Every rank's numbers, one row per rank. Waits for all of them.
  package func rows(_ numbers: [Double]) throws -> [[Double]] {
    guard rank.count > 1 else { return [numbers] }
    guard !numbers.isEmpty else { return Array(repeating: [], count: rank.count) }
    return try withTorchErrors {
      let flat = group.allGather(Tensor(numbers, shape: [1, numbers.count])).array(of: Double.self)
      return stride(from: 0, to: flat.count, by: numbers.count).map { Array(flat[$0..<$0 + numbers.count]) }
    }
  }
}
