import Foundation
import MomentumContrast
import Views

/// The page's first lines: what was trained, how it stands, and the numbers one looks for.
struct RunSummary {
  let record: RunRecord
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
    let images = record.starts.last?.data ?? "images"
    let device = record.starts.last.map { " on \($0.host.device)" } ?? ""
    guard let last = record.steps.last else {
      return "\(config.networkSummary). It is to learn from \(images)\(device); no step has been logged yet."
    }
    let all = record.totalSteps.map { " of \(grouped($0))" } ?? ""
    return "\(config.networkSummary). It learned from \(images): \(grouped(last.step))\(all) steps of "
      + "\(grouped(config.batchSize)) images, epoch \(fixed(last.epoch, 2)) of \(config.epochs), in "
      + "\(duration(record.trainedSeconds))\(device)."
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
      record.starts.isEmpty
        ? "The run has not begun."
        : "The run has no end: its process was killed, or the machine went down. The same command continues it from "
          + "the last checkpoint."
    }
  }

  private var tiles: [HTML] {
    let last = record.steps.last
    let passes = config.symmetric ? 2.0 : 1
    let guess = passes * InfoNCE.chanceLoss(negatives: config.mocoK)
    return [
      tile("kNN top-1", record.measurements.last.map { fixed($0.top1, 2) + " %" }, knnNote),
      tile("loss", last.map { fixed($0.loss, 3) }, "a guess has \(fixed(guess, 2))"),
      tile(
        "positive found first", last.map { fixed(100 * $0.contrastTop1, 1) + " %" },
        "among \(grouped(config.mocoK)) keys"),
      tile(
        "images/s", record.medianSpeed.map { fixed($0, 0) },
        record.dataWait.map { "median; \(fixed(100 * $0, 1)) % of the time waiting" } ?? ""),
      tile(
        "feature rank", last?.diagnostics.map { fixed($0.featureRank, 1) },
        "of \(min(config.mocoDim, config.batchSize)) dimensions"),
    ]
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

/// The run's course in words: sessions, host, warnings.
struct RunCourse {
  let record: RunRecord

  var warnings: HTML {
    guard !record.warnings.isEmpty else { return HTML.paragraph("There were no warnings.") }
    let items: [HTML] = record.warnings.map {
      "<li><span class=\"when\">step \(grouped($0.step))</span> \($0.message)</li>"
    }
    return "<ul class=\"warnings\">\n\(items)\n</ul>"
  }

  var sessions: HTML {
    let items: [HTML] = record.starts.map { start in
      let begun =
        start.resumedFrom.map { "Continued after step \(grouped($0)) at \(start.time)" }
        ?? "Started at \(start.time)"
      let host = start.host
      let place = start.dataPath.map { " The images are at \($0)." } ?? ""
      return """
        <li>\(begun) on \(host.device), \(host.system), \(host.cores) cores, \(host.threads) threads, \
        LibTorch \(host.libtorch) (\(host.cpuCapability)): \(start.data).\(place)</li>
        """
    }
    let ends: [HTML] = record.ends.map { end in
      let how =
        switch end.status {
        case .finished: "Finished"
        case .stopped: "Stopped"
        case .failed: "Failed"
        }
      return "<li>\(how) after step \(grouped(end.step)), \(duration(end.seconds)) after its start.</li>"
    }
    guard !items.isEmpty else { return .missing("The log holds no start.") }
    return "<ul class=\"course\">\n\(items + ends)\n</ul>"
  }
}
