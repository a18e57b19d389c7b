import Files
import Foundation
import Torch

extension RankContext {
  /// Divides the cores among the ranks that may use them: two threads on a core make both ranks slower. Waits
  /// for all ranks.
  func shareCores() throws {
    Cores.usable = Cores.own.count(among: try allGather(Cores.own))
    Cores.limitThreads()
  }
}

extension Cores {
  /// LibTorch uses no more threads than this process has cores, unless the user has given their number.
  /// LibTorch itself leaves out hyperthreads, and looks at no control group.
  package static func limitThreads() {
    guard getenv("OMP_NUM_THREADS") == nil else { return }
    Runtime.threads = min(Runtime.threads, usable)
  }
}
