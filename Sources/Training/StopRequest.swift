import Foundation
import Synchronization

/// SIGINT and SIGTERM ask the loop to save and leave after the step it is in. A second one ends the process.
public enum StopRequest {
  private static let received = Atomic<Int32>(0)

  /// The signal that came, if one did.
  public static var signal: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// To be called on the main thread, before others start.
  public static func install() {
    // A parent may have left them blocked; a run that cannot be stopped would be the result.
    var both = sigset_t()
    sigemptyset(&both)
    sigaddset(&both, SIGINT)
    sigaddset(&both, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &both, nil)
    for number in [SIGINT, SIGTERM] {
      // Only an atomic is touched: that is all a signal handler may do. The default comes back, so that an
      // impatient second signal ends a step that hangs.
      Foundation.signal(number) { number in
        StopRequest.received.store(number, ordering: .relaxed)
        Foundation.signal(number, SIG_DFL)
      }
    }
  }

  /// For tests: what a handler would do.
  static func simulate(_ number: Int32) { received.store(number, ordering: .relaxed) }
}
