import Files

/// The charts of a detection run.
struct DetectionCharts {
  let scores: [DetectionSummary]
  let steps: [LoggedLosses]

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
  var losses: [Chart] { LossCharts(steps, titles: Self.titles).charts }
}
