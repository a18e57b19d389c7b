import Files

/// A logged step of a task's run.
package struct LoggedLosses: Sendable, Equatable {
  /// From 1.
  package var step: Int
  /// By detectron2's names: `loss_cls`, `loss_rpn_cls`, `loss_sem_seg`, …
  package var losses: [String: Double]
  package var learningRate: Double?

  package init(step: Int, losses: [String: Double], learningRate: Double? = nil) {
    (self.step, self.losses, self.learningRate) = (step, losses, learningRate)
  }
}

/// The charts of a task's losses, all over the same steps.
struct LossCharts {
  private let steps: [LoggedLosses]
  private let titles: [(key: String, title: String)]

  /// - Parameter titles: Of known losses, in their order.
  init(_ steps: [LoggedLosses], titles: [(key: String, title: String)]) {
    (self.steps, self.titles) = (steps, titles)
  }

  /// The sum where there are several, then each loss apart, then the learning rate.
  var charts: [Chart] {
    guard !steps.isEmpty else { return [] }
    let keys = Set(steps.flatMap(\.losses.keys))
    let others = keys.subtracting(titles.map(\.key)).sorted()
    let parts = (titles + others.map { ($0, $0) }).compactMap { key, title in
      chart(title, key, "loss", steps.map { ($0.step, $0.losses[key]) })
    }
    let sum =
      keys.count == 1
      ? nil
      : chart("Sum of the losses", "sum", "loss", steps.map { ($0.step, $0.losses.values.reduce(0, +)) })
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
