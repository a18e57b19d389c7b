import Distributed
import Foundation

/// How a command of a transfer table ended.
enum TransferTableEnd: Equatable {
  case finished
  case failed(String)
  /// By this signal, which came to this process, or by one that came to the command alone.
  case stopped(Int32?)

  /// - Parameter asked: The signal that came to this process.
  init(_ end: ChildProcess.End, of job: TransferTableJob, asked: Int32? = StopRequest.signal) {
    switch end {
    case .exited(code: 0):
      let metrics = job.metrics
      let wanted = job.cell?.task.metrics ?? []
      let isThere = wanted.isEmpty || wanted.contains { metrics[$0] != nil }
      self = isThere ? .finished : .failed("the command ended without \(wanted.joined(separator: ", "))")
    case _ where asked != nil: self = .stopped(asked)
    case .exited(code: EX_TEMPFAIL) where job.saves: self = .stopped(SIGUSR1)
    case .exited(let code) where job.saves && [SIGHUP, SIGINT, SIGTERM].contains(code - 128):
      self = .stopped(nil)
    case .exited(let code): self = .failed(job.lastError ?? "the command ended with code \(code)")
    case .killed(let signal):
      self = .failed(
        "killed by signal \(signal) (\(String(cString: strsignal(signal))))"
          + (signal == SIGKILL ? "; perhaps the memory was not enough" : ""))
    }
  }
}
