import Foundation
import Synchronization

/// Requests by signal, which the training loop reads at the end of each step.
///
/// SIGINT, SIGTERM and SIGHUP: save and end, however often they come, because Slurm sends several within
/// milliseconds. Only a second Ctrl-C from a terminal ends the process at once. SIGUSR1, SIGUSR2: save, and go
/// on or end, as `--on-usr1` says. SIGCONT under Open MPI: save and go on, because `mpirun` sends it a second
/// before SIGTERM and two seconds before SIGKILL.
package enum StopRequest {
  private static let stopping = [SIGINT, SIGTERM, SIGHUP]
  private static let saving = [SIGUSR1, SIGUSR2]
  private static let received = Atomic<Int32>(0)
  private static let receivedForSave = Atomic<Int32>(0)
  private static let isInterrupted = Atomic<Bool>(false)
  private static let isSilent = Atomic<Bool>(false)

  /// The first received signal that ends the run; nil if there was none.
  package static var signal: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// Whether a signal's request is only to save. SIGCONT never ends a run.
  package static func isForSave(_ signal: Int32) -> Bool { saving.contains(signal) || signal == SIGCONT }

  /// The signal to act on now; nil if there is none. A request to save is handed out once.
  package static func take() -> Int32? { signal ?? takeForSave() }

  /// The signal that ``take()`` would hand out; nil if there is none.
  package static var pending: Int32? {
    let save = receivedForSave.load(ordering: .relaxed)
    return signal ?? (save == 0 ? nil : save)
  }

  /// A request to save, handed out once; nil if there is none.
  static func takeForSave() -> Int32? {
    let number = receivedForSave.exchange(0, ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// The signal that all ranks act on: one that ends the run comes first.
  /// - Parameter signals: Each rank's own, or 0.
  package static func agreed(_ signals: [Int32]) -> Int32? {
    let received = signals.filter { $0 != 0 }
    return received.first { !isForSave($0) } ?? received.first { $0 != SIGCONT } ?? received.first
  }

  /// The signal that the ranks act on now, received by any of them.
  package static func agreed(in context: RankContext) throws -> Int32? {
    agreed(try context.rows([Double(take() ?? 0)]).map { Int32($0[0]) })
  }

  /// The exit code of a run that has saved and ended: 75 ("try again", EX_TEMPFAIL of sysexits.h) after a
  /// request to save, else a shell's for the signal.
  package static func exitCode(_ signal: Int32) -> Int32 { isForSave(signal) ? EX_TEMPFAIL : 128 + signal }

  /// Call it on the main thread, before other threads start.
  /// - Parameters:
  ///   - saves: Whether this command can save and go on; if not, SIGUSR1 and SIGUSR2 keep their meaning.
  ///   - isSilent: Whether another process reports the signals, by default the launcher of `--nproc`.
  package static func install(
    saves: Bool = false, isSilent: Bool = RankLauncher.hasStartedThisProcess
  ) {
    self.isSilent.store(isSilent, ordering: .relaxed)
    // Creates the atomics here, not in the handler.
    _ = (signal, takeForSave(), isInterrupted.load(ordering: .relaxed))
    Foundation.signal(SIGPIPE, SIG_IGN)  // `moco … | tee` must save even if tee has ended
    var numbers = stopping + (saves ? saving : [])
    if isIgnored(SIGHUP) { numbers.removeAll { $0 == SIGHUP } }  // by `nohup`: the run outlives its terminal
    if saves, ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_RANK"] != nil { numbers.append(SIGCONT) }
    // A parent may have blocked them; the run could then not be stopped.
    var all = sigset_t()
    sigemptyset(&all)
    for number in numbers { sigaddset(&all, number) }
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
    for number in numbers { setHandler(of: number) }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    let before = Foundation.signal(number, SIG_IGN)
    _ = Foundation.signal(number, before)
    return unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  private static func setHandler(of number: Int32) {
    var action = sigaction()
    action.sa_flags = Int32(SA_SIGINFO) | SA_RESTART
    #if canImport(Darwin)
      action.__sigaction_u.__sa_sigaction = handleSignal
    #else
      action.__sigaction_handler.sa_sigaction = handleSignal
    #endif
    sigaction(number, &action, nil)
  }

  /// Whether the kernel sent the signal, as it does for a terminal's keys, and not a process.
  fileprivate static func isFromTerminal(_ info: UnsafeMutablePointer<siginfo_t>?) -> Bool {
    guard let code = info?.pointee.si_code else { return false }
    #if canImport(Darwin)
      return code != SI_USER
    #else
      return code > 0
    #endif
  }

  /// The handler: atomics, a write, and the default action. A signal handler may do no more.
  fileprivate static func receive(_ number: Int32, isFromTerminal: Bool) {
    if number == SIGUSR1 || number == SIGUSR2 || number == SIGCONT {
      remember(number)
      return note("\nmoco: saving after this step\n")
    }
    let isFirst = received.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
    if number == SIGINT, isFromTerminal {
      guard !isInterrupted.exchange(true, ordering: .relaxed) else {
        Foundation.signal(SIGINT, SIG_DFL)
        raise(SIGINT)
        return
      }
      note("\nmoco: stopping after this step; Ctrl-C once more ends it at once\n")
    } else if isFirst {
      note("\nmoco: stopping after this step\n")
    }
  }

  private static func remember(_ number: Int32) {
    if number == SIGCONT {
      _ = receivedForSave.compareExchange(expected: 0, desired: number, ordering: .relaxed)
    } else {
      receivedForSave.store(number, ordering: .relaxed)
    }
  }

  private static func note(_ text: StaticString) {
    guard !isSilent.load(ordering: .relaxed) else { return }
    let before = errno  // of the interrupted code
    _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    errno = before
  }

  /// For tests: the effect of a handler.
  package static func simulate(_ number: Int32) {
    if isForSave(number) { remember(number) } else { received.store(number, ordering: .relaxed) }
  }
}

/// The handler of all signals.
private func handleSignal(
  _ number: Int32, _ info: UnsafeMutablePointer<siginfo_t>?, _: UnsafeMutableRawPointer?
) {
  StopRequest.receive(number, isFromTerminal: StopRequest.isFromTerminal(info))
}
