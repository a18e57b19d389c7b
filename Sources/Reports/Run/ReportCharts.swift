import Files
import Foundation
import Methods
import Training

/// The charts of a run, all over the same epochs, in groups.
struct ReportCharts {
  struct Group {
    let title: String
    let id: String
    /// How to read the charts.
    let lead: String
    let charts: [Chart]
    /// The text if there are no charts.
    let missing: String
  }

  private let record: RunHistory
  private var config: RunConfig { record.config }

  init(_ record: RunHistory) { self.record = record }

  var groups: [Group] { [learning, features] + (hasQueue ? [dictionary] : []) + [pace] }

  private var hasQueue: Bool { config.kind.hasQueue }

  private var learning: Group {
    let queue =
      "The loss of a guess among K keys is log(K+1). A run starts below it, because random keys are easy negatives, "
      + "comes up while real keys fill the queue, and then falls. Where every key is found and the features cover the "
      + "sphere evenly it ends near the band's lower edge. "
    let lead =
      (hasQueue ? queue : "")
      + "kNN is what counts: where a contrast is won, or a task answered, while kNN falls, something gives the answers "
      + "away."
    return Group(
      title: "Learning", id: "learning", lead: lead,
      charts: record.steps.isEmpty ? [] : [loss, accuracy].compactMap(\.self),
      missing: "No step has been logged yet.")
  }

  private var loss: Chart {
    let expected = config.expectedLoss()
    let guess = expected.chance
    let expectation = guess.flatMap { guess in expected.uniform.map { min($0, guess)...guess } }
    let points = means { $0.loss }
    let values = points.compactMap(\.y) + (guess.map { [$0] } ?? []) + [0]
    let (lowest, highest) = (values.min() ?? 0, values.max() ?? 0)
    return Chart(
      title: "Loss", x: epochs, y: .init("nats", range: lowest * 1.08...max(highest, lowest + 1e-3) * 1.08),
      series: [.init("", points: points)],
      bands: expectation.map { [.init("expected", $0)] } ?? [],
      levels: guess.map { [.init("guess \(fixed($0, 2))", $0)] } ?? [], width: 400, height: 300)
  }

  /// Nil if neither answers nor kNN were measured.
  private var accuracy: Chart? {
    var (series, titles): ([Chart.Series], [String]) = ([], [])
    if let name = config.kind.answer?.curve {
      series.append(.init(name, points: means { $0.contrastTop1.map { 100 * $0 } }))
      titles.append(config.kind.isPretext ? "Task" : "Contrast")
    }
    if !record.measurements.isEmpty {
      let points = record.measurements.map { Chart.Point($0.epoch, $0.top1) }
      series.append(.init("kNN top-1", style: .markedLine, points: points))
      titles.append("kNN")
    }
    guard !series.isEmpty else { return nil }
    return Chart(
      title: titles.joined(separator: " and "), x: epochs,
      y: .init("% of the images", range: 0...100), series: series,
      width: 400, height: 300)
  }

  private var features: Group {
    let charts = [
      chart("Alignment", "squared distance", over: 0) { $0.diagnostics?.alignment },
      chart("Uniformity", "log of the mean kernel", under: 0) { $0.diagnostics?.uniformity },
      chart("Feature rank", "dimensions in use", over: 1) {
        $0.diagnostics?.featureRank
      },
    ]
    return Group(
      title: "Features", id: "features",
      lead:
        "How the queries of a batch lie on the sphere. Alignment is their mean squared distance from their keys: it falls "
        + "as two views of an image come together. Uniformity is the log of the mean of exp(−2d²) over the distances d "
        + "between queries: it falls as different images part. Uniformity at 0 or a rank near 1 is a collapse.",
      charts: charts.compactMap { $0 },
      missing: "This log holds no alignment, uniformity and rank: "
        + (config.kind.views > 1 ? "an older version wrote it." : "the method compares no views."))
  }

  private var dictionary: Group {
    let charts = [
      chart("Age of the keys", "steps, in the mean", over: 0) { $0.diagnostics?.queueAge },
      chart("Learned keys", "% of the queue", over: 0) { $0.diagnostics?.queueFilled.map { 100 * $0 } },
      chart("Neighbouring keys", "mean cosine", over: 0) { $0.diagnostics?.queueSimilarity },
    ]
    return Group(
      title: "Dictionary", id: "dictionary",
      lead:
        "The queue holds keys of steps that are past. The older they are, the slower the key encoder must move.",
      charts: charts.compactMap { $0 },
      missing: "This log has nothing on the queue: an older version wrote it.")
  }

  private var pace: Group {
    let charts = [
      chart("Speed", "images/s", over: 0) { $0.imagesPerSecond },
      chart("Waiting for data", "% of the time", over: 0) { 100 * $0.dataWait },
      chart("Learning rate", "of the query encoder", over: 0) { $0.lr },
      config.kind.hasKeyEncoder ? chart("EMA momentum", "m of the key encoder") { $0.momentum } : nil,
    ]
    return Group(
      title: "Pace", id: "pace", lead: "", charts: charts.compactMap { $0 },
      missing: "No step has been logged yet.")
  }

  // MARK: - Lines

  private var epochs: Chart.Axis {
    .init("epoch", range: 0...max(record.steps.last?.epoch ?? 1, 1e-3))
  }

  /// A small chart of one line; nil if no step has the value.
  private func chart(
    _ title: String, _ unit: String, over floor: Double? = nil, under ceiling: Double? = nil,
    _ value: (RunEvent.Step) -> Double?
  ) -> Chart? {
    let points = means(value)
    let values = points.compactMap(\.y)
    guard let low = values.min(), let high = values.max() else { return nil }
    let bottom = min(floor ?? low, low), top = max(ceiling ?? high, high)
    let margin = max((top - bottom) * 0.08, abs(top) * 1e-3, 1e-6)
    let range = (bottom == floor ? bottom : bottom - margin)...(top == ceiling ? top : top + margin)
    return Chart(
      title: title, x: epochs, y: .init(unit, range: range), series: [.init("", points: points)], width: 290,
      height: 200)
  }

  /// A value over the epochs; of long runs the means of 200 stretches.
  private func means(_ value: (RunEvent.Step) -> Double?) -> [Chart.Point] {
    let known = record.steps.compactMap { step in value(step).map { (epoch: step.epoch, value: $0) } }
    let size = max(1, (known.count + 199) / 200)
    return stride(from: 0, to: known.count, by: size).map { start in
      let part = known[start..<min(start + size, known.count)]
      let count = Double(part.count)
      return .init(part.map(\.epoch).reduce(0, +) / count, part.map(\.value).reduce(0, +) / count)
    }
  }
}
