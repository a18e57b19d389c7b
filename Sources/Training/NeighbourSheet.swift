import Evaluation
import Foundation
import Images
import Torch
import Views

/// A picture of test images, each with its nearest training images beside it.
struct NeighbourSheet {
  let comparison: NeighbourComparison
  /// Test images: rows of the sheet.
  var rows = 10
  /// Training images beside each.
  var columns = 10

  /// Writes a PNG: test images, spread evenly over the classes, in the first column; to the right their nearest
  /// training images, nearest first, framed green where the class is the same and red where it is another.
  func write(to path: String, bank: EncodedSet, queries: EncodedSet, on device: Device) throws {
    let chosen = chosenRows(labels: queries.labels)
    let asked = queries.features.gathered(Tensor(chosen, on: queries.features.device))
    // Among the very same images the first neighbour is the image itself.
    let near = try WeightedKNN(k: columns + 1, on: device).neighbours(of: asked, in: bank.features)
    let pictures = try chosen.enumerated().map { row, query in
      let others = near.indices[row].filter { !comparison.isSame || $0 != query }.prefix(columns)
      return try [framed(comparison.test, queries.samples[query], .plain)]
        + others.map { neighbour in
          try framed(
            comparison.train, bank.samples[neighbour],
            bank.labels[neighbour] == queries.labels[query] ? .sameClass : .otherClass)
        }
    }
    do {
      try ImageGrid(border: 3, magnification: comparison.test.size < 64 ? 2 : 1).draw(pictures).pngData()
        .write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch let error as CocoaError {
      throw RunError("\(path): the picture cannot be written: \(error.localizedDescription)")
    }
  }

  /// The first image of each class in turn, then the second, until there are enough.
  private func chosenRows(labels: [Int]) -> [Int] {
    let byClass = Dictionary(grouping: labels.indices, by: { labels[$0] }).sorted { $0.key < $1.key }.map(\.value)
    let deepest = byClass.map(\.count).max() ?? 0
    let inTurn = (0..<deepest).lazy.flatMap { depth in
      byClass.compactMap { $0.indices.contains(depth) ? $0[depth] : nil }
    }
    return Array(inTurn.prefix(rows))
  }

  private enum Frame {
    case plain, sameClass, otherClass

    var color: [UInt8] {
      switch self {
      case .plain: [40, 40, 40]
      case .sameClass: [40, 160, 80]
      case .otherClass: [215, 50, 50]
      }
    }
  }

  /// An image as the network sees it, with a frame around it.
  private func framed(_ set: EvaluationSet, _ sample: Int, _ frame: Frame, width: Int = 2) throws -> RGBImage {
    let image = try set.dataset.image(sample).evaluationView(size: set.size)
    let side = set.size + 2 * width
    var pixels = [UInt8]()
    pixels.reserveCapacity(side * side * 3)
    for y in 0..<side {
      for x in 0..<side {
        let (column, row) = (x - width, y - width)
        if (0..<set.size).contains(column), (0..<set.size).contains(row) {
          let color = image[column, row]
          pixels += [color.red, color.green, color.blue]
        } else {
          pixels += frame.color
        }
      }
    }
    return RGBImage(width: side, height: side, pixels: pixels)
  }
}
