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
  /// LibTorch itself leaves out hyperthreads, looks at no control group, and takes a given number only up to the
  /// machine's cores.
  package static func limitThreads() {
    let given = getenv("OMP_NUM_THREADS").flatMap { Int(String(cString: $0)) } ?? 0
    Runtime.threads = given > 0 ? given : min(Runtime.threads, usable)
  }
}
