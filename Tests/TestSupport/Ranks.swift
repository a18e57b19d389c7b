import Foundation
import Torch

/// Runs `body` as every one of `count` ranks, each on a thread of its own, and returns their results in order.
/// - Parameter timeout: of the ranks' operations; to meet they have a minute.
public func withRanks<Result: Sendable>(
  _ count: Int, timeout: Duration = .seconds(60), _ body: @escaping @Sendable (ProcessGroup) throws -> Result
) async throws -> [Result] {
  try await withRankThreads(count) { rank, port in
    let store = try KeyValueStore(host: "127.0.0.1", port: port, serves: false, timeout: .seconds(60))
    let group = try ProcessGroup(store, rank: rank, timeout: timeout)
    return try withTorchErrors {
      group.barrier()  // a rank that ended at once would hang up on those that are still joining
      return try body(group)
    }
  }
}

/// Runs `body` on a thread for every one of `count` ranks; their store answers at a port of 127.0.0.1. Returns their
/// results in order.
public func withRankThreads<Result: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (_ rank: Rank, _ port: UInt16) throws -> Result
) async throws -> [Result] {
  _ = withoutFlightRecorder
  let server = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
  let port = server.port
  let results = try await withThreads(count) { number in try body(Rank(number, of: count), port) }
  withExtendedLifetime(server) {}
  return results
}

/// Runs `body` on `count` threads with one computing thread each, and returns the results in order.
public func withThreads<Result: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (_ number: Int) throws -> Result
) async throws -> [Result] {
  _ = withoutFlightRecorder
  return try await withThrowingTaskGroup(of: (Int, Result).self) { tasks in
    for number in 0..<count {
      tasks.addTask {
        try await onThread {
          Runtime.threads = 1
          return (number, try body(number))
        }
      }
    }
    var results = [Result?](repeating: nil, count: count)
    for try await (number, result) in tasks { results[number] = result }
    return results.compactMap(\.self)
  }
}

/// c10d notes every group's first operation in one map of the process, and takes no lock for it: it is made for one rank
/// a process. Two ranks on threads damaged the map, and with it the memory, in about one run of forty.
private let withoutFlightRecorder: Void = { setenv("TORCH_FR_BUFFER_SIZE", "0", 1) }()

/// Collectives block, which threads of Swift's pool must not.
private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws
  -> Result
{
  try await withCheckedThrowingContinuation { continuation in
    let thread = Thread { continuation.resume(with: .init(catching: body)) }
    thread.stackSize = 8 << 20
    thread.start()
  }
}
