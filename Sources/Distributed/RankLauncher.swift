import Files
import Foundation
import Torch

/// Starts the ranks of `--nproc` on this machine and waits until all have ended.
///
/// It sets `torchrun`'s variables, so a rank needs no special case for this launcher. The store is in this
/// process, which does not train: when any rank dies, the others can still reach it.
package struct RankLauncher {
  private let store: KeyValueStore
  private let count: Int

  /// - Parameter count: The number of ranks to start.
  package init(count: Int) throws {
    self.count = count
    store = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
  }

  /// Starts `arguments` (the program first) once per rank. The signals of ``StopRequest``, installed before, are
  /// forwarded: requests to end the run to all ranks, requests to save to rank 0, which all of them follow.
  ///
  /// - Throws: ``RankFailure`` with the cause, or without a message if the first rank that failed has printed
  ///   it.
  package func run(_ arguments: [String]) throws {
    signal(SIGCHLD, SIG_DFL)  // a parent may have set SIG_IGN, and then no child could be waited for
    var running: [pid_t: Int] = [:]
    for number in 0..<count { running[try start(arguments, number: number)] = number }
    var code: Int32 = 0
    var isForwarded = false
    var deadline: ContinuousClock.Instant?
    while !running.isEmpty {
      var status: Int32 = 0
      let ended = waitpid(-1, &status, WNOHANG)
      if ended < 0, errno != EINTR {
        throw RunError("--nproc \(count): cannot wait for the ranks: \(String(cString: strerror(errno))).")
      }
      if ended > 0, let number = running.removeValue(forKey: ended) {
        guard let own = exitCode(status, of: number, wasEnded: deadline.map { $0 < .now } ?? false) else {
          continue
        }
        if code == 0 { code = own }
        // The others stop because of the failure or by their monitors; a rank that still runs at the deadline
        // hangs.
        if deadline == nil { deadline = .now + .seconds(verdict == nil ? 8 : 4) }
        if verdict != nil, running.count < count - 1 { deadline = min(deadline ?? .now, .now + .seconds(1)) }
        continue
      }
      if let signal = StopRequest.signal, !isForwarded {
        for process in running.keys { kill(process, signal) }
        isForwarded = true
      }
      if let signal = StopRequest.takeForSave(), let first = running.first(where: { $0.value == 0 }) {
        kill(first.key, signal)
      }
      if let deadline, deadline < .now { for process in running.keys { kill(process, SIGKILL) } }
      usleep(20_000)
    }
    guard code != 0 else { return }
    throw verdict ?? RankFailure("", code: code)
  }

  /// The failure that the ranks settled on.
  private var verdict: RankFailure? {
    (try? store.valueNow(of: RankMonitor.verdictKey))?.map { RankFailure(settled: $0) }
  }

  /// The exit code of a failed rank. A killed rank cannot report its end, so the launcher does it for the
  /// others, which may not need that rank for a while. (`wasEnded`: this launcher killed it.)
  private func exitCode(_ status: Int32, of number: Int, wasEnded: Bool) -> Int32? {
    let signal: Int32
    switch ChildProcess.End(status: status) {
    case .exited(let code): return code == 0 ? nil : code
    case .killed(let number): signal = number
    }
    guard !wasEnded else { return 1 }
    // An evaluation has nothing to save: it ends by the forwarded signal, as this process would.
    if signal == StopRequest.signal { return 128 + signal }
    let message =
      "rank \(number) of \(count) died of signal \(signal) (\(String(cString: strsignal(signal)))); the other ranks "
      + "stopped with it"
    _ = try? store.compareAndSet(RankMonitor.verdictKey, RankFailure(message, code: 1).settled)
    return 1
  }

  private func start(_ arguments: [String], number: Int) throws -> pid_t {
    var variables = [
      "RANK": "\(number)", "WORLD_SIZE": "\(count)", "LOCAL_RANK": "\(number)",
      "LOCAL_WORLD_SIZE": "\(count)",
      "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(store.port)", "TORCHELASTIC_USE_AGENT_STORE": "True",
      Self.parentVariable: "\(getpid())",
    ]
    if ProcessInfo.processInfo.environment["OMP_NUM_THREADS"] == nil {
      // Two threads that spin on the same core make both ranks many times slower.
      variables["OMP_NUM_THREADS"] = "\(Cores.own.count(sharedBy: count))"
    }
    do {
      return try ChildProcess(ChildProcess.program, arguments, variables: variables).id
    } catch let reason as RunError {
      throw RunError("--nproc \(count): cannot start rank \(number): \(reason).")
    }
  }

  // MARK: - In a rank

  static let parentVariable = "MOCO_LAUNCHER"

  /// Whether this launcher, and not `torchrun` or another one, started this process.
  package static var hasStartedThisProcess: Bool {
    ProcessInfo.processInfo.environment[parentVariable] != nil
  }

  /// Called by a rank at start-up, so that it ends with its launcher, for any reason.
  package static func dieWithLauncher() {
    guard let parent = ProcessInfo.processInfo.environment[parentVariable].flatMap({ pid_t($0) }) else {
      return
    }
    Runtime.dieWithParent()
    if getppid() != parent { _exit(1) }
  }
}
