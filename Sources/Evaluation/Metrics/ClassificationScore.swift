import Torch

/// A classifier's accuracy, class by class.
package struct ClassificationScore: Equatable, Sendable {
  /// The number of images by class (row) and by predicted class (column).
  package private(set) var confusion: [[Int]]
  /// For each class, the number of images whose class is among the five likeliest.
  package private(set) var hits5: [Int]

  package init(classes: Int) {
    precondition(classes > 0, "classes = \(classes) must be at least 1")
    confusion = Array(repeating: Array(repeating: 0, count: classes), count: classes)
    hits5 = Array(repeating: 0, count: classes)
  }

  /// Counts images by their logits, N×C. Of equal logits the lower class is the likelier.
  package mutating func add(logits: Tensor, labels: [Int]) {
    let classes = hits5.count
    logits.expect([labels.count, classes], "logits of \(labels.count) images and \(classes) classes")
    let values = logits.array(of: Float.self)
    guard values.count == labels.count * classes else { return }  // a failed operation, which is reported
    for (row, label) in labels.enumerated() {
      let scores = values[row * classes..<(row + 1) * classes]
      let own = scores[row * classes + label]
      var best = 0
      var likelier = 0
      for (column, score) in scores.enumerated() {
        if score > scores[row * classes + best] { best = column }
        if score > own || (score == own && column < label) { likelier += 1 }
      }
      confusion[label][best] += 1
      if likelier < 5 { hits5[label] += 1 }
    }
  }

  /// The number of counted images.
  package var count: Int { confusion.reduce(0) { $0 + $1.reduce(0, +) } }
  /// Per cent, 0...100; 0 without images.
  package var top1: Double { percent(confusion.indices.reduce(0) { $0 + confusion[$1][$1] }, of: count) }
  package var top5: Double { percent(hits5.reduce(0, +), of: count) }

  /// One class's row of a table.
  package struct ClassRow: Equatable, Sendable, Codable {
    /// An index.
    package let label: Int
    package let images: Int
    /// Per cent; 0 without images.
    package let top1: Double
    package let top5: Double
    /// The most frequent wrong prediction for its images; nil if there is none.
    package let mistakenFor: Int?
  }

  package var byClass: [ClassRow] {
    confusion.enumerated().map { label, row in
      let images = row.reduce(0, +)
      let others = row.indices.filter { $0 != label && row[$0] > 0 }
      return ClassRow(
        label: label, images: images, top1: percent(row[label], of: images),
        top5: percent(hits5[label], of: images),
        mistakenFor: others.max { row[$0] == row[$1] ? $0 > $1 : row[$0] < row[$1] })
    }
  }

  private func percent(_ hits: Int, of all: Int) -> Double {
    all == 0 ? 0 : 100 * Double(hits) / Double(all)
  }
}
