import Files
import Foundation
import Torch

/// Starts the ranks of `--nproc` on this machine and stays until all have ended.
///
/// It speaks `torchrun`'s language to them, so that a rank does not know who started it. The store lies here, in a
/// process that does not train: whichever rank dies, the others can still ask.
package struct RankLauncher {
  private let store: KeyValueStore
  private let count: Int

  /// - Parameter count: Ranks to start.
  package init(count: Int) throws {
    self.count = count
    store = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
  }

  /// Starts `arguments` (the program first) once a rank. SIGINT, SIGTERM and SIGHUP are handed on.
  ///
  /// - Throws: ``RankFailure``: what ended the ranks, or no words where the first that failed has said them.
  package func run(_ arguments: [String]) throws {
    StopRequest.install()
    signal(SIGCHLD, SIG_DFL)  // ignored, as a parent may have left it, nobody could be waited for
    var running: [pid_t: Int] = [:]
    for number in 0..<count { running[try start(arguments, number: number)] = number }
    var code: Int32 = 0
    var handedOn = false
    var deadline: ContinuousClock.Instant?
    while !running.isEmpty {
      var status: Int32 = 0
      let ended = waitpid(-1, &status, WNOHANG)
      if ended < 0, errno != EINTR {
        throw RunError("--nproc \(count): cannot wait for the ranks: \(String(cString: strerror(errno))).")
      }
      if ended > 0, let number = running.removeValue(forKey: ended) {
        guard let own = judge(status, of: number, wasEnded: deadline.map { $0 < .now } ?? false) else {
          continue
        }
        if code == 0 { code = own }
        // The others find out by themselves, or by their watches; what then still runs hangs.
        if deadline == nil { deadline = .now + .seconds(verdict == nil ? 8 : 4) }
        if verdict != nil, running.count < count - 1 { deadline = min(deadline ?? .now, .now + .seconds(1)) }
        continue
      }
      if let signal = StopRequest.signal, !handedOn {
        for process in running.keys { kill(process, signal) }
        handedOn = true
      }
      if let deadline, deadline < .now { for process in running.keys { kill(process, SIGKILL) } }
      usleep(20_000)
    }
    guard code != 0 else { return }
    throw verdict ?? RankFailure("", code: code)
  }

  /// What the ranks agreed on.
  private var verdict: RankFailure? {
    (try? store.valueNow(of: RankMonitor.verdictKey))?.map { RankFailure(settled: $0) }
  }

  /// The exit code of a rank that failed. Who was killed cannot say so: it is told to the others, who may not need the
  /// rank for a while yet. (`wasEnded`: it was this launcher that killed it.)
  private func judge(_ status: Int32, of number: Int, wasEnded: Bool) -> Int32? {
    let signal = status & 0x7f
    guard signal != 0 else {
      let code = (status >> 8) & 0xff
      return code == 0 ? nil : code
    }
    guard !wasEnded else { return 1 }
    // An evaluation has nothing to save: it ends of the signal that was handed on to it, as this process would.
    if signal == StopRequest.signal { return 128 + signal }
    let words =
      "rank \(number) of \(count) died of signal \(signal) (\(String(cString: strsignal(signal)))); the other ranks "
      + "stopped with it"
    _ = try? store.compareAndSet(RankMonitor.verdictKey, RankFailure(words, code: 1).settled)
    return 1
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
    // In a group of its own, or the terminal would send it the Ctrl-C that is handed on to it as well.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    var process: pid_t = 0
    let failure = posix_spawn(&process, Self.program, nil, &attributes, own, variables)
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
  package static var hasStartedThisProcess: Bool {
    ProcessInfo.processInfo.environment[parentVariable] != nil
  }

  /// To be called by a rank when it starts: it ends with its launcher, however that ended.
  package static func dieWithLauncher() {
    guard let parent = ProcessInfo.processInfo.environment[parentVariable].flatMap({ pid_t($0) }) else {
      return
    }
    Runtime.dieWithParent()
    if getppid() != parent { _exit(1) }
  }
}
