import Foundation
import Torch

/// The ranks of a run, seen from one of them.
public final class Team {
  public let group: ProcessGroup
  /// Its number among the ranks of this machine: which GPU is its own.
  public let localNumber: Int
  private let store: KeyValueStore?
  private let watch: RankWatch?
  private var shared = 0

  public var rank: Rank { group.rank }
  /// Whether this is the rank that writes: the run's folder, its log, and what the user sees.
  public var isFirst: Bool { rank.number == 0 }

  /// One process by itself.
  public static var alone: Team { Team(.alone, localNumber: 0, store: nil, watch: nil) }

  private init(_ group: ProcessGroup, localNumber: Int, store: KeyValueStore?, watch: RankWatch?) {
    (self.group, self.localNumber, self.store, self.watch) = (group, localNumber, store, watch)
  }

  /// Meets the other ranks; returns when all are there.
  /// - Parameters:
  ///   - environment: What the launcher said; nothing for a process by itself.
  ///   - timeout: How long ranks wait for one another, here and in every operation.
  public static func meet(_ environment: RankEnvironment?, timeout: Duration) throws -> Team {
    guard let environment else { return .alone }
    let (rank, host, port) = (environment.rank, environment.host, environment.port)
    let serves = environment.isServedByRank0 && rank.number == 0
    do {
      let store = try KeyValueStore(host: host, port: port, serves: serves, timeout: timeout)
      let group = try ProcessGroup(store, rank: rank, timeout: timeout)
      let watch = RankWatch(
        try KeyValueStore(host: host, port: port, serves: false, timeout: timeout), rank: rank,
        progress: group.progress,
        server: environment.isServedByRank0 ? "rank 0 of \(rank.count)" : "the launcher at \(host):\(port)")
      return Team(group, localNumber: environment.localNumber, store: store, watch: watch)
    } catch {
      throw RunError(
        "rank \(rank.number) of \(rank.count) did not meet the others at \(host):\(port) within \(timeout): \(error). "
          + "Start all ranks, check that this address is reached from every machine, or give them more --timeout."
      )
    }
  }

  /// Runs the training. Whatever fails in one rank ends all of them, with the same words.
  /// - Throws: ``RankFailure``; the error itself where there is one rank only.
  public func run<Result>(_ body: () throws -> Result) throws -> Result {
    guard let watch else { return try body() }
    defer { watch.end() }
    do {
      let result = try body()
      // Nobody leaves, and takes the store along, before the others are done.
      try withTorchErrors { group.barrier() }
      return result
    } catch {
      let failure = watch.settle(error)
      // The others ask the store for the reason; where it is this rank's, they need a moment.
      if isFirst { Thread.sleep(forTimeInterval: 1) }
      throw failure
    }
  }

  // MARK: - Agreeing

  /// Rank 0's value, in every rank.
  public func shared<Value: Codable>(_ value: Value) throws -> Value {
    guard let store, rank.count > 1 else { return value }
    shared += 1
    let key = "shared/\(shared)"
    if isFirst {
      try store.set(key, String(decoding: JSONEncoder().encode(value), as: UTF8.self))
      return value
    }
    return try JSONDecoder().decode(Value.self, from: Data(store.value(of: key).utf8))
  }

  /// Every rank's numbers, one row a rank. Waits for all of them.
  public func rows(_ numbers: [Double], on device: Device = .cpu) throws -> [[Double]] {
    guard rank.count > 1 else { return [numbers] }
    return try withTorchErrors {
      let all = group.allGathered(Tensor(numbers, shape: [1, numbers.count], on: device))
      let flat = all.to(.cpu).array(of: Double.self)
      return stride(from: 0, to: flat.count, by: numbers.count).map { Array(flat[$0..<$0 + numbers.count]) }
    }
  }
}
