import Files

/// The charts of a detection run.
struct DetectionCharts {
  let scores: [DetectionSummary]
  let steps: [DetectionStep]

  /// More bars than this are too many to read; then the best and the worst are shown.
  private static let shownClasses = 24

  // MARK: - Scores

  var sizes: Chart? {
    let names = scores.first?.sizes.map(\.name) ?? []
    let known = scores.filter { $0.sizes.map(\.name) == names && $0.sizes.contains { $0.ap != nil } }
    guard !names.isEmpty, !known.isEmpty else { return nil }
    return Chart(
      title: "AP by size", x: .init("area of the object", scale: .categories(names)), y: percent("AP, %"),
      series: known.map {
        .init(seriesName($0, of: known), style: .bars, values: $0.sizes.map { $0.ap.map { 100 * $0 } })
      },
      width: 400, height: 300)
  }

  var classes: Chart? {
    let known = scores.filter { !$0.classes.isEmpty }
    guard let first = known.first else { return nil }
    let falling = first.classes.filter { $0.ap != nil }.sorted { ($0.ap ?? 0) > ($1.ap ?? 0) }
    guard !falling.isEmpty else { return nil }
    let isCut = falling.count > Self.shownClasses
    let half = Self.shownClasses / 2
    let shown = isCut ? Array(falling.prefix(half) + falling.suffix(half)) : falling
    let names = shown.map(\.name)
    let series = known.map { scores -> Chart.Series in
      let found = Dictionary(scores.classes.map { ($0.name, $0.ap) }) { first, _ in first }
      return .init(
        seriesName(scores, of: known), style: .bars, values: names.map { (found[$0] ?? nil).map { 100 * $0 } }
      )
    }
    return Chart(
      title: isCut
        ? "AP by class: the \(half) best and the \(half) worst of \(falling.count)" : "AP by class",
      x: .init("", scale: .categories(names)), y: percent("AP, %"), series: series,
      width: 832, height: 300)
  }

  /// Precision over recall.
  var curves: [Chart] {
    scores.filter { !$0.curves.isEmpty }.map {
      .precisionOverRecall($0.curves, of: $0.compared, classes: 5, width: 400, height: 300)
    }
  }

  private func percent(_ label: String) -> Chart.Axis { .init(label, range: 0...100) }

  /// No name for a lone series, which needs no legend.
  private func seriesName(_ scores: DetectionSummary, of all: [DetectionSummary]) -> String {
    all.count > 1 ? scores.compared : ""
  }

  // MARK: - Losses

  private static let titles = [
    ("loss_rpn_cls", "Proposals: object or not"), ("loss_rpn_loc", "Proposals: place"),
    ("loss_cls", "Boxes: class"), ("loss_box_reg", "Boxes: place"), ("loss_mask", "Masks"),
    ("loss_keypoint", "Keypoints"),
  ]

  /// The sum, then each loss apart.
  var losses: [Chart] {
    guard !steps.isEmpty else { return [] }
    let known = Self.titles.map(\.0)
    let others = Set(steps.flatMap(\.losses.keys)).subtracting(known).sorted()
    let parts = (Self.titles + others.map { ($0, $0) }).compactMap { key, title in
      chart(title, key, "loss", steps.map { ($0.step, $0.losses[key]) })
    }
    let sum = chart(
      "Sum of the losses", "sum", "loss", steps.map { ($0.step, $0.losses.values.reduce(0, +)) })
    let rate = chart("Learning rate", "rate", "", steps.map { ($0.step, $0.learningRate) })
    return [sum].compactMap(\.self) + parts + [rate].compactMap(\.self)
  }

  /// Nil if no step has the value.
  private func chart(_ title: String, _ key: String, _ unit: String, _ values: [(step: Int, value: Double?)])
    -> Chart?
  {
    let points = values.compactMap { step, value in
      value.flatMap { $0.isFinite ? Chart.Point(Double(step), $0) : nil }
    }
    guard let highest = points.compactMap(\.y).max(), let last = points.last else { return nil }
    return Chart(
      title: title, x: .init("step", range: 0...max(last.x, 1)),
      y: .init(unit, range: 0...max(highest, 1e-9) * 1.08),
      series: [.init("", isFaint: points.count > Self.means, points: points)] + means(points), width: 290,
      height: 200)
  }

  private static let means = 60

  /// The means of stretches of a long and noisy line.
  private func means(_ points: [Chart.Point]) -> [Chart.Series] {
    guard points.count > Self.means else { return [] }
    let stretches = (0..<Self.means).map { part -> Chart.Point in
      let range = part * points.count / Self.means..<(part + 1) * points.count / Self.means
      let values = points[range].compactMap(\.y)
      return .init(
        points[range].map(\.x).reduce(0, +) / Double(range.count), values.reduce(0, +) / Double(range.count))
    }
    return [.init("", color: 0, points: stretches)]
  }
}
