import Data
import Images
import Models
import Torch

/// A picture of test images, each with its nearest training images beside it.
package struct NeighbourSheet {
  package let comparison: KNNEvaluation
  /// Test images: rows of the sheet.
  package var rows = 10
  /// Training images beside each.
  package var columns = 10

  /// Writes a PNG: test images, spread evenly over the classes, in the first column; in the second, where the encoder
  /// looks in them; to the right their nearest training images, nearest first, framed green where the class is the same
  /// and red where it is another.
  /// - Returns: What the second column shows and its one scale, as the end of a sentence.
  package func write(
    to path: String, bank: ImageFeatures, queries: ImageFeatures, of encoder: ImageEncoder, on device: Device
  ) throws -> String {
    let chosen = NeighbourSheet.stratified(queries.labels, count: rows)
    let chosenFeatures = queries.features.indexSelected(Tensor(chosen, on: queries.features.device))
    // If both sets are the same, the first neighbour is the image itself.
    let near = try WeightedKNN(k: columns + 1, on: device).neighbours(of: chosenFeatures, in: bank.features)
    let maps = try comparison.test.attention(of: encoder, to: chosen.map { queries.samples[$0] }, on: device)
    let scale = try HeatScale(of: maps.maps)
    let overlays = try scale.overlays(maps.maps, on: maps.pictures)
    var sheet = ContactSheet(pictureSize: comparison.test.size)
    for (row, query) in chosen.enumerated() {
      let others = near.indices[row].filter { !comparison.isSame || $0 != query }.prefix(columns)
      sheet.rows.append(
        try [.init(maps.pictures[row], .plain), .init(overlays[row], .plain)]
          + others.map { neighbour in
            let isSame = bank.labels[neighbour] == queries.labels[query]
            return try cell(comparison.train, bank.samples[neighbour], isSame ? .sameClass : .otherClass)
          })
    }
    try sheet.write(to: path)
    return "\(maps.kind.title.lowercased()), \(HeatScale.text(scale.range.lowerBound)) (dark) to "
      + "\(HeatScale.text(scale.range.upperBound)) (light)\(maps.kind.unit)"
  }

  /// The first image of each class in turn, then the second, until there are enough.
  package static func stratified(_ labels: [Int], count: Int) -> [Int] {
    let byClass = Dictionary(grouping: labels.indices, by: { labels[$0] }).sorted { $0.key < $1.key }.map(
      \.value)
    let deepest = byClass.map(\.count).max() ?? 0
    let inTurn = (0..<deepest).lazy.flatMap { depth in
      byClass.compactMap { $0.indices.contains(depth) ? $0[depth] : nil }
    }
    return Array(inTurn.prefix(count))
  }

  /// An image as the network sees it.
  private func cell(
    _ set: EvaluationData, _ sample: Int, _ frame: ContactSheet.Frame
  ) throws -> ContactSheet.Cell {
    try .init(set.dataset.image(sample).evaluationView(set.input.view), frame)
  }
}
