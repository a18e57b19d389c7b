import Data
import Files
import Foundation
import Images
import Torch

/// A picture of test images, each with its nearest training images beside it.
package struct NeighbourSheet {
  package let comparison: KNNEvaluation
  /// Test images: rows of the sheet.
  package var rows = 10
  /// Training images beside each.
  package var columns = 10

  /// Writes a PNG: test images, spread evenly over the classes, in the first column; to the right their nearest
  /// training images, nearest first, framed green where the class is the same and red where it is another.
  package func write(to path: String, bank: ImageFeatures, queries: ImageFeatures, on device: Device) throws {
    let chosen = NeighbourSheet.stratified(queries.labels, count: rows)
    let asked = queries.features.indexSelected(Tensor(chosen, on: queries.features.device))
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
    try writeSheet(pictures, imageSize: comparison.test.size, to: path)
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

  /// An image as the network sees it, with a frame around it.
  private func framed(_ set: EvaluationData, _ sample: Int, _ frame: Frame) throws -> RGBImage {
    try set.dataset.image(sample).evaluationView(size: set.size).framed(frame)
  }
}

/// What a picture's frame says.
package enum Frame {
  case plain, sameClass, otherClass

  package var color: [UInt8] {
    switch self {
    case .plain: [40, 40, 40]
    case .sameClass: [40, 160, 80]
    case .otherClass: [215, 50, 50]
    }
  }
}

extension RGBImage {
  /// The picture with a frame of `border` pixels around it.
  package func framed(_ frame: Frame, border: Int = 2) -> RGBImage {
    let (outerWidth, outerHeight) = (width + 2 * border, height + 2 * border)
    var framed = [UInt8]()
    framed.reserveCapacity(outerWidth * outerHeight * 3)
    for y in 0..<outerHeight {
      for x in 0..<outerWidth {
        let (column, row) = (x - border, y - border)
        if (0..<width).contains(column), (0..<height).contains(row) {
          let color = self[column, row]
          framed += [color.red, color.green, color.blue]
        } else {
          framed += frame.color
        }
      }
    }
    return RGBImage(width: outerWidth, height: outerHeight, pixels: framed)
  }
}

/// Writes rows of pictures of one size as a PNG; small ones are magnified.
package func writeSheet(_ rows: [[RGBImage]], imageSize: Int, to path: String) throws {
  try drawSheet(rows, imageSize: imageSize).writePNG(to: path)
}

/// Rows of pictures of one size as one; small ones are magnified.
package func drawSheet(_ rows: [[RGBImage]], imageSize: Int) -> RGBImage {
  ImageGrid(border: 3, magnification: imageSize < 64 ? 2 : 1).draw(rows)
}

extension RGBImage {
  package func writePNG(to path: String) throws {
    do {
      try pngData().write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch let error as CocoaError {
      throw RunError("\(path): the picture cannot be written: \(error.localizedDescription)")
    }
  }
}
