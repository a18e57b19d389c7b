import Evaluation
import Files
import Torch

/// Images as points along the two principal components of their features, coloured by class if they have classes.
struct FeatureMap {
  let images: ReportImages
  /// Number of classes that can have their own colour.
  static let coloured = Palette.series.count

  func html() throws -> HTML {
    let components = try withTorchErrors { PrincipalComponents(images.features, count: 2) }
    let shares = components.shares.map { "\(fixed(100 * $0, 0)) %" }
    let note =
      "Principal components of the unit features of \(images.origin): the first holds \(shares[0]) of their variance, "
      + "the second \(shares[1])."
    let drawing = HTML(markup: chart(components.coordinates.array(), shares).drawing().svg(.page))
    return "<p>\(note)\(classNote)</p>\n<figure class=\"chart map\">\(drawing)</figure>"
  }

  private func chart(_ places: [Double], _ shares: [String]) -> Chart {
    func axis(_ name: String, _ column: Int) -> Chart.Axis {
      let values = stride(from: column, to: places.count, by: 2).map { places[$0] }
      let (low, high) = (values.min() ?? 0, values.max() ?? 0)
      let margin = max((high - low) * 0.04, 1e-6)
      return .init("\(name) component (\(shares[column]))", range: low - margin...high + margin)
    }
    let series = groups.enumerated().map { color, group in
      Chart.Series(
        group.name, style: .scatter, color: color,
        points: group.rows.map { Chart.Point(places[2 * $0], places[2 * $0 + 1]) })
    }
    return Chart(
      x: axis("first", 0), y: axis("second", 1), series: series, width: 420,
      height: 420)
  }

  /// The classes with the most images, in their own order, and the rest as one.
  private var groups: [(name: String, rows: [Int])] {
    let labels = images.labels
    guard images.isLabelled else { return [("", Array(labels.indices))] }
    let byClass = Dictionary(grouping: labels.indices) { labels[$0] }.sorted { $0.key < $1.key }
    let largest = byClass.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
    guard largest.count > FeatureMap.coloured else {
      return byClass.map { (images.data.dataset.classNames[$0.key], $0.value) }
    }
    let own = Set(largest.prefix(FeatureMap.coloured - 1).map(\.key))
    let named = byClass.filter { own.contains($0.key) }
    return named.map { (images.data.dataset.classNames[$0.key], $0.value) }
      + [("other classes", byClass.filter { !own.contains($0.key) }.flatMap(\.value))]
  }

  private var classNote: String {
    if !images.isLabelled { return " The images have no classes, so that the points have one colour." }
    let classes = Set(images.labels).count
    return classes > FeatureMap.coloured
      ? " The \(FeatureMap.coloured - 1) largest of \(classes) classes have colours of their own." : ""
  }
}
