import Files
import Foundation
import Synchronization
import Torch

/// Finds the store of a launch.
///
/// Rank 0 serves it at the first free port of ``RankEnvironment/ports`` and writes the launch's identity there.
/// The other ranks try these ports until a store has that identity. They write nothing before, and a store of
/// another launch, or any other server, holds them up for a few seconds at most.
struct RankStore {
  private let environment: RankEnvironment
  private let deadline: ContinuousClock.Instant
  private let timeout: Duration

  private static let identityKey = "launch"

  /// Marks the store of a launch that has ended, because the next command of the same launcher has its identity
  /// (`srun bash -c "moco pretrain …; moco knn …"`).
  static func markEnded(_ store: KeyValueStore) { try? store.set(identityKey, "ended") }

  /// - Parameter timeout: Of the search, and of every later call of the store.
  init(_ environment: RankEnvironment, timeout: Duration) {
    (self.environment, self.timeout) = (environment, timeout)
    deadline = .now + timeout
  }

  /// This rank's connection, as the server if it is rank 0.
  func open() throws -> KeyValueStore {
    guard environment.isServedByRank0 else { return try connect(to: environment.ports[0], for: timeout) }
    guard environment.rank.number == 0 else { return try connect(to: found(), for: timeout) }
    let store = try serve()
    try store.set(RankStore.identityKey, environment.identity)
    return store
  }

  private func connect(to port: UInt16, for timeout: Duration) throws -> KeyValueStore {
    try KeyValueStore(
      host: environment.host, port: port, serves: false, prefix: environment.attempt, timeout: timeout)
  }

  // MARK: - Rank 0

  private func serve() throws -> KeyValueStore {
    var failure: (any Error)?
    for port in environment.ports {
      do {
        return try KeyValueStore(
          host: environment.host, port: port, serves: true, prefix: environment.attempt, timeout: timeout)
      } catch {
        failure = error
      }
    }
    throw failure ?? RunError("no port is given")
  }

  // MARK: - The others

  /// The port of this launch's store.
  private func found() throws -> UInt16 {
    let nobody = "nobody answers there"
    var (patience, last) = (Duration.seconds(2), nobody)
    while ContinuousClock.now < deadline {
      var finding: String?
      for port in environment.ports {
        let left = deadline - ContinuousClock.now
        guard left > .zero else { throw RunError(finding ?? last) }
        // The last tries keep two seconds: in less, a busy store may not answer.
        let limit = min(patience, max(left / environment.ports.count, .seconds(2)))
        do {
          guard try KeyValueStore.isListening(host: environment.host, port: port, timeout: limit) else {
            continue
          }
          let identity = identity(at: port, within: limit)
          if identity == environment.identity { return port }
          finding =
            identity.map { "the ranks there belong to another launch (\($0))" } ?? "no ranks answer there"
        } catch let error as TorchError {
          finding = error.message
        }
      }
      last = finding ?? nobody
      Thread.sleep(forTimeInterval: 0.1)
      patience = min(patience * 2, .seconds(60))  // a busy store may be slow
    }
    throw RunError(last)
  }

  /// The identity in the store at a port; nil if there is none in time. A server of another kind may never
  /// answer; its thread then waits to the end of the process.
  private func identity(at port: UInt16, within patience: Duration) -> String? {
    let answer = Answer()
    let end = ContinuousClock.now + patience
    Thread.detachNewThread { [self] in
      defer { answer.isThere.signal() }
      guard let store = try? connect(to: port, for: patience) else { return }
      repeat {
        // Rank 0 writes it a moment after it begins to serve.
        if let identity = try? store.valueNow(of: RankStore.identityKey) {
          return answer.identity.withLock { $0 = identity }
        }
        Thread.sleep(forTimeInterval: 0.05)
      } while .now < end
    }
    _ = answer.isThere.wait(timeout: .now() + (patience / .seconds(1)))
    return answer.identity.withLock(\.self)
  }

  private final class Answer: Sendable {
    let isThere = DispatchSemaphore(value: 0)
    let identity = Mutex<String?>(nil)
  }
}
