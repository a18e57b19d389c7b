import Evaluation
import Foundation
import Images
import Torch
import Views

/// A picture of test images, each with its nearest training images beside it.
struct NeighbourSheet {
  let comparison: NeighbourComparison

  /// Writes `rows` test images, evenly spread over the classes, in the first column, and their `columns` nearest
  /// training images to the right, nearest first. Green frames are of the same class, red ones of another.
  func write(
    to path: String, bank: LabelledFeatures, queries: LabelledFeatures, rows: Int = 10, columns: Int = 10,
    side: Int = 64, on device: Device
  ) throws {
    let chosen = chosenRows(rows, labels: queries.labels)
    let features = queries.features.gathered(Tensor(chosen, on: queries.features.device))
    let (train, test, isSame) = (comparison.train, comparison.test, comparison.isSame)
    let near = try WeightedKNN(k: columns + (isSame ? 1 : 0), on: device).neighbours(of: features, in: bank.features)
    var grid = ImageGrid(columns: columns + 1, cell: side)
    for (row, query) in chosen.enumerated() {
      grid.append(try test.dataset.image(test.indices[query]), frame: .none)
      let others = near.indices[row].filter { !isSame || $0 != query }.prefix(columns)
      for neighbour in others {
        grid.append(
          try train.dataset.image(train.indices[neighbour]),
          frame: bank.labels[neighbour] == queries.labels[query] ? .green : .red)
      }
    }
    try grid.image().pngData().write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The first image of each class in turn, then the second, until there are enough.
  private func chosenRows(_ count: Int, labels: [Int]) -> [Int] {
    let byClass = Dictionary(grouping: labels.indices, by: { labels[$0] }).sorted { $0.key < $1.key }.map(\.value)
    let deepest = byClass.map(\.count).max() ?? 0
    return Array(
      (0..<deepest).lazy.flatMap { depth in byClass.compactMap { $0.indices.contains(depth) ? $0[depth] : nil } }
        .prefix(count))
  }
}
