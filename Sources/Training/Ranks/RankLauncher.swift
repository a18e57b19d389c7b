import Foundation
import Synchronization
import Torch

/// Starts the ranks of `--nproc` on this machine and stays until all have ended.
///
/// It speaks `torchrun`'s language to them, so that a rank does not know who started it. The store lies here, in a
/// process that does not train: whichever rank dies, the others can still ask.
public struct RankLauncher {
  private let store: KeyValueStore
  private let count: Int

  /// - Parameter count: Ranks to start, at least 2.
  public init(count: Int) throws {
    self.count = count
    store = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
  }

  /// Starts `arguments` (the program first) once a rank. SIGINT, SIGTERM and SIGHUP are handed on.
  /// - Returns: 0, or the exit code of the first rank that failed; the rest is ended then.
  public func run(_ arguments: [String]) throws -> Int32 {
    StopRequest.install()
    var running: [pid_t: Int] = [:]
    for number in 0..<count { running[try start(arguments, number: number)] = number }
    var code: Int32 = 0
    var handedOn = false
    var deadline: ContinuousClock.Instant?
    while !running.isEmpty {
      var status: Int32 = 0
      let ended = waitpid(-1, &status, WNOHANG)
      if ended > 0, running.removeValue(forKey: ended) != nil {
        let own = Self.exitCode(status)
        guard own != 0 else { continue }
        if code == 0 { code = own }
        // The others find out by themselves and say what it was; what then still runs hangs.
        let isKnown = (try? store.valueNow(of: RankWatch.verdictKey)) != nil
        let latest = ContinuousClock.now + (isKnown ? .seconds(1) : .seconds(8))
        deadline = min(deadline ?? latest, latest)
        continue
      }
      if let signal = StopRequest.signal, !handedOn {
        for process in running.keys { kill(process, signal) }
        handedOn = true
      }
      if let deadline, deadline < .now { for process in running.keys { kill(process, SIGKILL) } }
      usleep(20_000)
    }
    return code
  }

  private static func exitCode(_ status: Int32) -> Int32 {
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 1
  }

  private func start(_ arguments: [String], number: Int) throws -> pid_t {
    var environment = ProcessInfo.processInfo.environment
    environment["RANK"] = "\(number)"
    environment["WORLD_SIZE"] = "\(count)"
    environment["LOCAL_RANK"] = "\(number)"
    environment["LOCAL_WORLD_SIZE"] = "\(count)"
    environment["MASTER_ADDR"] = "127.0.0.1"
    environment["MASTER_PORT"] = "\(store.port)"
    environment["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    environment[Self.parentVariable] = "\(getpid())"
    if environment["OMP_NUM_THREADS"] == nil {
      // Threads that spin on a core that another rank needs make both many times slower.
      let threads = max(1, ProcessInfo.processInfo.activeProcessorCount / count)
      environment["OMP_NUM_THREADS"] = "\(threads)"
    }
    let own = arguments.map { strdup($0) } + [nil]
    let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { (own + variables).forEach { free($0) } }
    var process: pid_t = 0
    let failure = posix_spawn(&process, Self.program, nil, nil, own, variables)
    guard failure == 0 else {
      throw RunError("--nproc \(count): cannot start rank \(number): \(String(cString: strerror(failure))).")
    }
    return process
  }

  private static var program: String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
  }

  // MARK: - In a rank

  private static let parentVariable = "MOCO_LAUNCHER"

  /// Whether it was this launcher, and not `torchrun` or another, that started this process.
  public static var hasStartedThisProcess: Bool {
    ProcessInfo.processInfo.environment[parentVariable] != nil
  }

  /// To be called by a rank when it starts: it ends with its launcher, however that ended.
  public static func dieWithLauncher() {
    guard let parent = ProcessInfo.processInfo.environment[parentVariable].flatMap({ pid_t($0) }) else {
      return
    }
    Runtime.dieWithParent()
    if getppid() != parent { _exit(1) }
  }
}
