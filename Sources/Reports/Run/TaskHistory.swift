import Files
import Foundation
import Training

/// What the folder of a task's run says, at any time of the run.
struct TaskHistory<Config: TransferConfig> {
  let folder: String
  let events: [RunEvent]
  /// Of the last session; nil where there is no run of the task.
  let start: RunEvent.TaskStart<Config>?

  /// - Parameter start: Of an event, where it is the task's start.
  init(_ folder: String, start: (RunEvent) -> RunEvent.TaskStart<Config>?) {
    self.folder = folder
    events = RunLog.read(folder + "/log.jsonl").filter(\.isPlausible)
    self.start = events.reversed().compactMap(start).first
  }

  /// The folder's own name.
  var name: String { URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent }

  var steps: [LoggedLosses] {
    events.compactMap { event in
      guard case .losses(let step) = event else { return nil }
      return LoggedLosses(step: step.step, losses: step.losses, learningRate: step.lr)
    }
  }

  var settings: [(key: String, value: String)] {
    start?.config.values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } ?? []
  }

  /// - Parameter network: In words, without a full stop.
  func lead(_ network: String) -> String {
    guard let start else { return "\(network)." }
    guard let last = steps.last else { return "\(network). It is to learn from \(start.train)." }
    return
      "\(network). It learned from \(start.train): \(grouped(last.step)) of \(grouped(start.config.steps)) steps of "
      + "\(grouped(start.config.batchSize)) images on the \(start.host.device)."
  }

  /// Whether and how the run has ended.
  var state: String {
    if case .end(let end)? = events.last {
      switch end.status {
      case .finished: return "The run is finished."
      case .stopped: return "The run was stopped after saving; the same command continues it."
      case .failed: return "The run failed: \(end.reason ?? "no reason was noted")"
      }
    }
    return RunFolder.isInUse(folder)
      ? "The run is still going; this page shows it as it was when the page was written."
      : "The run has no end: its process was killed, or the machine went down. The same command continues it."
  }
}
