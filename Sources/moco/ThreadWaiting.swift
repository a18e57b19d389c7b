import Foundation
import Torch

/// The waiting of LibTorch's threads for each other. They are libgomp's, which by default spin for milliseconds:
/// on a busy core that is the time that the others' work needs (docs/decisions/0023).
enum ThreadWaiting {
  /// About 10 µs.
  private static let spins = "1000"

  /// libgomp reads its settings when it is loaded, before `main`: the program begins again with them, unless
  /// somebody has chosen others, or there is one thread.
  static func shorten() {
    #if os(Linux)
      guard getenv("OMP_WAIT_POLICY") == nil, getenv("GOMP_SPINCOUNT") == nil, Runtime.threads > 1 else {
        return
      }
      setenv("GOMP_SPINCOUNT", spins, 0)
      // By its own path: of `/proc/self/exe` the process would have the name `exe`.
      guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
        return
      }
      execv(program, CommandLine.unsafeArgv)  // where it returns, the threads spin
    #endif
  }
}
