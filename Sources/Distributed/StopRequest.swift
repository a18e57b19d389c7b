import Foundation
import Synchronization

/// SIGINT, SIGTERM and SIGHUP ask the loop to save and leave after the step it is in. A second one ends the process.
package enum StopRequest {
  private static let numbers = [SIGINT, SIGTERM, SIGHUP]
  private static let received = Atomic<Int32>(0)

  /// The signal that came, if one did.
  package static var signal: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// To be called on the main thread, before others start.
  package static func install() {
    _ = signal  // the atomic is made here, not in the handler
    Foundation.signal(SIGPIPE, SIG_IGN)  // `moco … | tee` must save although tee is gone
    // A parent may have left them blocked; a run that cannot be stopped would be the result.
    var all = sigset_t()
    sigemptyset(&all)
    for number in numbers { sigaddset(&all, number) }
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
    for number in numbers {
      // An atomic and a write: that is all a signal handler may do. The default comes back, so that an
      // impatient second signal ends a step that hangs.
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
