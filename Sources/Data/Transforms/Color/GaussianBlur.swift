import Foundation
import Torch

// Pillow's Gaussian blur: three extended box blurs (Gwosdek et al. 2011, "Theoretical Foundations of Gaussian
// Convolution by Extended Box Filtering") with the last pixel repeated beyond each edge are linear, so a picture x
// becomes M·x·Mᵀ with M = B³. Pillow rounds to 8 bits after each of its six passes, this once.

extension BandMatrix {
  /// B³ along a side of `size` pixels.
  init(blurring size: Int, sigma: Double) {
    let radius = boxRadius(sigma)
    let step = Int(radius) + 1
    let box = (-step...step).map { min(max(radius + 1 - Double(abs($0)), 0), 1) / (2 * radius + 1) }
    let reach = 3 * step
    let width = 2 * reach + 1
    // All rows but those near an edge are the same, one place further on.
    let inner = reach..<max(reach, size - reach)
    let innerWeights = inner.isEmpty ? [] : cubedRow(reach, of: size, box: box).1.map(Float.init)
    var values = [Float](repeating: 0, count: size * width)
    for row in 0..<size {
      if inner.contains(row) {
        values.replaceSubrange(row * width..<(row + 1) * width, with: innerWeights)
      } else {
        let (first, weights) = cubedRow(row, of: size, box: box)
        let start = row * width + first - row + reach
        for (offset, weight) in weights.enumerated() { values[start + offset] = Float(weight) }
      }
    }
    self.init(size: size, reach: reach, values: values)
  }
}

/// Row `row` of B³, and the column it begins at.
private func cubedRow(_ row: Int, of size: Int, box: [Double]) -> (Int, [Double]) {
  let reach = box.count / 2
  var (first, weights) = (row, [1.0])
  for _ in 0..<3 {
    let columns = max(0, first - reach)...min(size - 1, first + weights.count - 1 + reach)
    var wider = [Double](repeating: 0, count: columns.count)
    for (index, weight) in weights.enumerated() {
      for (offset, share) in box.enumerated() {
        let column = min(max(first + index + offset - reach, 0), size - 1)
        wider[column - columns.lowerBound] += weight * share
      }
    }
    (first, weights) = (columns.lowerBound, wider)
  }
  return (first, weights)
}

/// Half the width, less a half, of the box that three times over has the deviation `sigma`: a whole part, and
/// the share in which the next pixel on either side counts.
private func boxRadius(_ sigma: Double) -> Double {
  let variance = sigma * sigma / 3
  let whole = ((12 * variance + 1).squareRoot() / 2 - 0.5).rounded(.down)
  let share =
    (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) * (whole + 1)))
  return whole + share
}

/// The blur's matrix for a whole batch: its band as blocks of rows with only the columns that they reach, which at 224
/// pixels saves two thirds of the work of a product.
struct BlurMatrix: Equatable {
  struct Block: Equatable {
    var rows: Range<Int>
    var columns: Range<Int>
    /// Where the block begins among a sample's values.
    var start: Int
    var count: Int { rows.count * columns.count }
  }

  /// Pixels of the side that it blurs along.
  let size: Int
  let blocks: [Block]

  /// For sigmas up to `sigma`.
  init(size: Int, sigma: Double) {
    let reach = 3 * (Int(boxRadius(sigma)) + 1)
    let height = 56
    var blocks: [Block] = []
    for start in stride(from: 0, to: size, by: height) {
      let rows = start..<min(start + height, size)
      blocks.append(
        Block(
          rows: rows, columns: max(0, rows.lowerBound - reach)..<min(size, rows.upperBound + reach),
          start: blocks.last.map { $0.start + $0.count } ?? 0))
    }
    (self.size, self.blocks) = (size, blocks)
  }

  /// Values of one sample.
  var count: Int { blocks.last.map { $0.start + $0.count } ?? 0 }

  /// The matrix for one sigma, block after block, row by row.
  func values(sigma: Double) -> [Float] {
    let band = BandMatrix(blurring: size, sigma: sigma)
    let width = 2 * band.reach + 1
    var values = [Float](repeating: 0, count: count)
    for block in blocks {
      for row in block.rows {
        let start =
          block.start + (row - block.rows.lowerBound) * block.columns.count - block.columns.lowerBound
        for column in max(0, row - band.reach)..<min(size, row + band.reach + 1) {
          values[start + column] = band.values[row * width + column - row + band.reach]
        }
      }
    }
    return values
  }
}

/// The matrices of a blur of H × W pictures: one along the rows, one down the columns. A square has one for both.
struct Blur: Equatable {
  let across: BlurMatrix
  let down: BlurMatrix
  private var isSquare: Bool { across.size == down.size }

  /// For sigmas up to `sigma`.
  init(_ shape: ViewShape, sigma: Double) {
    across = BlurMatrix(size: shape.width, sigma: sigma)
    down = shape.height == shape.width ? across : BlurMatrix(size: shape.height, sigma: sigma)
  }

  /// Appends the numbers of each sample's ``across``, then, unless it is the same, of each sample's ``down``.
  func append(_ sigmas: [Double], to values: inout [Float]) {
    for sigma in sigmas { values += across.values(sigma: sigma) }
    guard !isSquare else { return }
    for sigma in sigmas { values += down.values(sigma: sigma) }
  }

  /// Those numbers as the blocks of either matrix, N × rows × columns each.
  fileprivate func blocks(_ values: Tensor, count: Int) -> (across: [Tensor], down: [Tensor]) {
    guard !isSquare else {
      let blocks = across.blocks(values, count: count)
      return (blocks, blocks)
    }
    let first = count * across.count
    return (
      across.blocks(values.narrowed(0..<first), count: count),
      down.blocks(values.narrowed(first..<first + count * down.count), count: count)
    )
  }
}

extension BlurMatrix {
  fileprivate func blocks(_ values: Tensor, count samples: Int) -> [Tensor] {
    let values = values.reshaped([samples, count])
    return blocks.map { block in
      values.narrowed(block.start..<block.start + block.count, dim: 1)
        .reshaped([samples, block.rows.count, block.columns.count])
    }
  }
}

/// Blurs every sample by its own matrices. Overwrites `x`, N×3×H×W.
///
/// - Parameter values: The numbers of ``Blur/append(_:to:)``.
func gaussianBlur(_ x: Tensor, by blur: Blur, _ values: Tensor) {
  let (n, height, width) = (x.shape[0], blur.down.size, blur.across.size)
  let blocks = blur.blocks(values, count: n)
  let rows = x.reshaped([n, 3 * height, width])
  let across = zip(blur.across.blocks, blocks.across).map { block, part in
    rows.narrowed(block.columns, dim: 2).matmul(part.transposed)
  }
  let planes = Tensor.concatenated(across, dim: 2).reshaped([n, 3, height, width])
  for (block, part) in zip(blur.down.blocks, blocks.down) {
    let down = part.reshaped([n, 1, block.rows.count, block.columns.count])
      .matmul(planes.narrowed(block.columns, dim: 2))
    x.narrowed(block.rows, dim: 2).copy(from: down.rounded())
  }
}
