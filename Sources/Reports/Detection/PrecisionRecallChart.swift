import Evaluation
import Files

extension Chart {
  /// Precision over recall at overlap 0.5: the mean, and the classes with the highest and lowest precision.
  ///
  /// - Parameters:
  ///   - compared: What the overlap is of, such as "boxes", for the title.
  ///   - most: Classes that are shown; more could not be told apart.
  package static func precisionOverRecall(
    _ curves: [DetectionScore.Curve], of compared: String? = nil, classes most: Int = 6,
    width: Double = 560, height: Double = 400
  ) -> Chart {
    let mean = curves.filter { $0.name == "mean" }
    let classes = curves.filter { $0.name != "mean" && !$0.precision.isEmpty }
      .sorted { average($0.precision) > average($1.precision) }
    let shown =
      classes.count <= most ? classes : Array(classes.prefix(most / 2) + classes.suffix(most - most / 2))
    let series = (mean + shown).map { curve in
      Series(curve.name, points: zip(curve.recall, curve.precision).map { Point($0, $1) })
    }
    return Chart(
      title: "Precision over recall" + (compared.map { ", \($0)" } ?? ""), x: Axis("recall", range: 0...1),
      y: Axis("precision at overlap 0.5", range: 0...1),
      series: series, width: width, height: height)
  }

  private static func average(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(max(1, values.count))
  }
}
