import Evaluation
import Files
import Training

/// A confusion matrix as a picture: a row for each true class, whose cells are as dark as the share of its pixels that have the
/// column's class in the predictions.
package struct ConfusionPicture {
  private let table: ConfusionTable
  /// Of the classes that have a row, those with the most pixels.
  private let shown: [Int]

  /// More rows than this are too many to read.
  package static let limit = 40
  /// With more classes than this the cells have no room for numbers.
  private static let numbered = 24
  /// The width that is left for a text, over the measured one: a reader's font may be wider.
  private static let room = 1.1
  /// Up to so many classes the cells are large.
  private static let few = 6

  package init(_ table: ConfusionTable) {
    self.table = table
    let matrix = table.matrix
    let present = (0..<matrix.classes).filter { matrix.truePixels($0) + matrix.predictedPixels($0) > 0 }
    let largest = present.sorted { (matrix.truePixels($0), $1) > (matrix.truePixels($1), $0) }
    shown = largest.prefix(Self.limit).sorted()
  }

  /// Writes `confusion.svg` beside a run's `confusion.csv`.
  /// - Parameter folder: The run's, or that of a test alone.
  package static func write(of folder: String) throws {
    let table = try ConfusionTable(contentsOf: joined(folder, RunFolder.confusionName))
    try replaceFile(
      joined(folder, RunFolder.confusionPictureName), with: ConfusionPicture(table).drawing().svg())
  }

  private static let titleSize = ChartStyle.titleSize
  private static let textSize = ChartStyle.tickSize

  /// Of a matrix without pixels only the title.
  package func drawing() -> Drawing {
    let names = shown.map { shortened(table.classNames[$0]) }
    let cell = shown.count <= Self.few ? 44.0 : shown.count <= Self.numbered ? 30 : 18
    let margin = ChartStyle.margin
    let longest = names.map { FontMetrics.width(of: $0, size: Self.textSize) }.max() ?? 0
    // Beside the names "true class" stands upright.
    let left = margin + 22 + longest * Self.room + 8
    let top = margin + Self.titleSize + 10 + longest * 0.8 + 10
    let side = cell * Double(shown.count)
    let isCut = shown.count < table.matrix.classes
    let title =
      "Pixels of each true class by predicted class, %"
      + (isCut ? " (the \(shown.count) largest of \(table.matrix.classes) classes)" : "")
    // Columns' names lean to the right, over the last column.
    let titleWidth = Self.room * FontMetrics.width(of: title, size: Self.titleSize, isBold: true)
    let width = max(left + side + longest * 0.7, margin + titleWidth) + margin
    var marks: [Mark] = [
      .label(
        Label(
          text: title, position: Position(margin, margin + Self.titleSize), size: Self.titleSize,
          isBold: true)),
      .label(
        Label(
          text: "true class", position: Position(margin + 8, top + side / 2), size: Self.textSize,
          anchor: .middle, angle: -90, paint: Paint(.muted))),
    ]
    for (row, truth) in shown.enumerated() {
      let middle = top + (Double(row) + 0.5) * cell
      marks.append(
        .label(
          Label(
            text: names[row], position: Position(left - 6, middle + 3.5), size: Self.textSize, anchor: .end))
      )
      marks.append(
        .label(
          Label(
            text: names[row], position: Position(left + (Double(row) + 0.6) * cell, top - 6),
            size: Self.textSize, angle: -50)))
      for (column, prediction) in shown.enumerated() {
        marks += self.cell(
          truth, prediction, at: Position(left + Double(column) * cell, top + Double(row) * cell), cell)
      }
    }
    return Drawing(width: width, height: top + side + margin, title: title, marks: marks)
  }

  private func cell(_ truth: Int, _ prediction: Int, at place: Position, _ size: Double) -> [Mark] {
    let all = table.matrix.truePixels(truth)
    let share = all == 0 ? 0 : Double(table.matrix[truth, prediction]) / Double(all)
    let (x, y, inner) = (place.x + 0.5, place.y + 0.5, size - 1)
    let corners = [
      Position(x, y), Position(x + inner, y), Position(x + inner, y + inner), Position(x, y + inner),
    ]
    let isRight = truth == prediction
    var marks: [Mark] = [.fill(corners, Paint(.grid, opacity: 0.5))]
    if share > 0 {
      marks.append(.fill(corners, Paint(.series(isRight ? 0 : 1), opacity: 0.08 + 0.82 * share)))
    }
    guard shown.count <= Self.numbered, share >= 0.005 else { return marks }
    marks.append(
      .label(
        Label(
          text: fixed(100 * share, 0), position: Position(place.x + size / 2, place.y + size / 2 + 3.5),
          size: Self.textSize, anchor: .middle, paint: Paint(share > 0.55 ? .ground : .text))))
    return marks
  }

  private func shortened(_ name: String) -> String { name.count > 18 ? name.prefix(17) + "…" : name }
}
