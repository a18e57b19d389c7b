import Foundation
import Synchronization

/// After SIGINT, SIGTERM or SIGHUP the loop saves and ends after the current step. A second signal ends the
/// process.
package enum StopRequest {
  private static let numbers = [SIGINT, SIGTERM, SIGHUP]
  private static let received = Atomic<Int32>(0)

  /// The received signal; nil if there was none.
  package static var signal: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// Call it on the main thread, before other threads start.
  package static func install() {
    _ = signal  // creates the atomic here, not in the handler
    Foundation.signal(SIGPIPE, SIG_IGN)  // `moco … | tee` must save even if tee has ended
    // A parent may have blocked them; the run could then not be stopped.
    var all = sigset_t()
    sigemptyset(&all)
    for number in numbers { sigaddset(&all, number) }
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
    for number in numbers {
      // An atomic and a write: a signal handler may do no more. The default handler is restored, so that a
      // second signal ends a hanging step.
      Foundation.signal(number) { number in
        StopRequest.received.store(number, ordering: .relaxed)
        let note: StaticString = "\nmoco: stopping after this step; once more ends it at once\n"
        write(STDERR_FILENO, note.utf8Start, note.utf8CodeUnitCount)
        Foundation.signal(number, SIG_DFL)
      }
    }
  }

  /// For tests: what a handler would do.
  package static func simulate(_ number: Int32) { received.store(number, ordering: .relaxed) }
}
