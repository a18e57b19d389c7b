import Files
import Foundation
import Methods

/// The page's first lines: what was trained, how it stands, and the numbers one looks for.
struct ReportHeader {
  let record: RunHistory
  private var config: RunConfig { record.config }

  var html: HTML {
    """
    <header>
    <p class="eyebrow">Momentum Contrast · pre-training run</p>
    <h1>\(record.name)</h1>
    <p class="lead">\(sentence)</p>
    <p class="state \(stateKind)">\(stateInWords)</p>
    <dl class="tiles">
    \(tiles)
    </dl>
    </header>
    """
  }

  /// "ResNet-8 on 50,000 images …: 1,900 of 1,950 steps of 128 images (4.9 of 5 epochs) in 10:02 on the cpu."
  private var sentence: String {
    let images = record.sessions.last?.start.data ?? "images"
    let device = record.sessions.last.map { " on \($0.start.host.device)" } ?? ""
    guard let last = record.steps.last else {
      return "\(network). It is to learn from \(images)\(device); no step has been logged yet."
    }
    let all = record.totalSteps.map { " of \(grouped($0))" } ?? ""
    let epochs = config.epochCount.map { " of \($0)" } ?? ""
    return "\(network). It learned from \(images): \(grouped(last.step))\(all) steps of "
      + "\(grouped(config.batchSize)) images, epoch \(fixed(last.epoch, 2))\(epochs), in "
      + "\(duration(record.trainedSeconds))\(device)."
  }

  private var network: String {
    config.networkSummary(images: record.sessions.last?.start.images ?? .max)
  }

  private var stateKind: HTML {
    switch record.state {
    case .running, .finished: "good"
    case .stopped: "plain"
    case .failed, .cut: "bad"
    }
  }

  private var stateInWords: String {
    switch record.state {
    case .running: "The run is still going; this page shows it as it was when the page was written."
    case .finished: "The run is finished."
    case .stopped: "The run was stopped after saving; the same command continues it."
    case .failed(let reason): "The run failed: \(reason)"
    case .cut:
      record.sessions.isEmpty
        ? "The run has not begun."
        : "The run has no end: its process was killed, or the machine went down. The same command continues it from "
          + "the last checkpoint."
    }
  }

  private var tiles: [HTML] {
    let last = record.steps.last
    let accuracy = config.kind.answer.map { answer in
      tile(
        answer.curve, last?.contrastTop1.map { fixed(100 * $0, 1) + " %" },
        config.expectedLoss().negatives.map { "among \(grouped($0)) keys" } ?? "")
    }
    let size = config.kind.featureSize(config)
    let all: [HTML?] = [
      tile("kNN top-1", record.measurements.last.map { fixed($0.top1, 2) + " %" }, knnNote),
      tile(
        "loss", last.map { fixed($0.loss, 3) },
        config.expectedLoss().chance.map { "a guess has \(fixed($0, 2))" } ?? ""),
      accuracy,
      tile(
        "images/s", record.medianSpeed.map { fixed($0, 0) },
        record.dataWait.map { "median; \(fixed(100 * $0, 1)) % of the time waiting" } ?? ""),
      config.kind.views > 1
        ? tile(
          "feature rank", last?.diagnostics.map { fixed($0.featureRank, 1) },
          "of \(min(size, config.batchSize)) dimensions") : nil,
    ]
    return all.compactMap(\.self)
  }

  private var knnNote: String {
    guard let last = record.measurements.last, let best = record.bestKNN else {
      return "not measured in this run"
    }
    let at = "after epoch \(fixed(last.epoch, last.epoch == last.epoch.rounded() ? 0 : 1))"
    return best.top1 > last.top1 ? "\(at); the best was \(fixed(best.top1, 2)) %" : at
  }

  private func tile(_ name: String, _ value: String?, _ note: String) -> HTML {
    "<div><dt>\(name)</dt><dd>\(value ?? "–")<small>\(note)</small></dd></div>"
  }
}
