import Files
import Foundation
import Torch

/// A program that this one has started, in a process group of its own: the terminal would otherwise send it a second
/// Ctrl-C beside the signal that is passed on.
package struct ChildProcess {
  package enum End: Equatable, Sendable {
    case exited(code: Int32)
    case killed(signal: Int32)

    /// Of the status that `waitpid` gives.
    package init(status: Int32) {
      let signal = status & 0x7f
      self = signal == 0 ? .exited(code: (status >> 8) & 0xff) : .killed(signal: signal)
    }
  }

  /// Where its standard input and outputs go.
  package struct Streams {
    /// Text is appended.
    package var output: String
    package var errors: String
    /// A lock that it holds too, until it ends: longer than this process, if that is killed.
    package var lock: FileLock?

    package init(output: String, errors: String, lock: FileLock? = nil) {
      (self.output, self.errors, self.lock) = (output, errors, lock)
    }
  }

  package let id: pid_t

  /// This program, for children that are of it too.
  package static var program: String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
  }

  /// Starts a program. SIGUSR1 and SIGUSR2, which end a program by default, wait until it handles them.
  /// - Parameters:
  ///   - program: Its path.
  ///   - arguments: The name of the program first.
  ///   - variables: In addition to those of this process.
  ///   - streams: nil for those of this process.
  /// - Throws: ``RunError`` with the system's reason alone.
  package init(
    _ program: String, _ arguments: [String], variables: [String: String] = [:], streams: Streams? = nil
  ) throws {
    let all = ProcessInfo.processInfo.environment.merging(variables) { _, new in new }
    let words = arguments.map { strdup($0) } + [nil]
    let environment = all.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { (words + environment).forEach { free($0) } }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var early = sigset_t()
    sigemptyset(&early)
    for number in [SIGUSR1, SIGUSR2] { sigaddset(&early, number) }
    posix_spawnattr_setsigmask(&attributes, &early)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let streams { Self.add(streams, to: &actions) }
    var id: pid_t = 0
    let failure = posix_spawn(&id, program, &actions, &attributes, words, environment)
    guard failure == 0 else { throw RunError(String(cString: strerror(failure))) }
    self.id = id
  }

  private static func add(_ streams: Streams, to actions: inout posix_spawn_file_actions_t) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    let appending = O_WRONLY | O_CREAT | O_APPEND
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, streams.output, appending, 0o644)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, streams.errors, appending, 0o644)
    // A copy of the file's number is not closed when the program begins, and shares its lock.
    if let lock = streams.lock { posix_spawn_file_actions_adddup2(&actions, lock.file, 3) }
  }

  /// Waits until it ends. The signals of ``StopRequest``, installed before, go on to it.
  /// - Throws: ``RunError`` if it cannot be waited for.
  package func wait() throws -> End {
    signal(SIGCHLD, SIG_DFL)  // a parent may have set SIG_IGN, and then no child could be waited for
    var isForwarded = false
    while true {
      var status: Int32 = 0
      let ended = waitpid(id, &status, WNOHANG)
      if ended == id { return End(status: status) }
      if ended < 0, errno != EINTR {
        throw RunError("process \(id) cannot be waited for: \(String(cString: strerror(errno))).")
      }
      if let signal = StopRequest.signal, !isForwarded {
        kill(id, signal)
        isForwarded = true
      }
      if let signal = StopRequest.takeForSave() { kill(id, signal) }
      usleep(20_000)
    }
  }

  // MARK: - In the child

  /// Names the process that is to be the parent.
  package static let parentVariable = "MOCO_PARENT"

  /// Called at start-up: this process ends with its parent, for any reason, where that has asked for it by
  /// ``parentVariable``. A program that stands between the two is not the parent.
  package static func dieWithParent() {
    let parent = ProcessInfo.processInfo.environment[parentVariable].flatMap { pid_t($0) }
    guard let parent, parent == getppid() else { return }
    Runtime.dieWithParent()
    if getppid() != parent { _exit(1) }
  }
}
