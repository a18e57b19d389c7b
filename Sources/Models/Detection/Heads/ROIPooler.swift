import Foundation
import Torch

/// Features of boxes, cut out by RoIAlign (He et al. 2017) of the level that fits a box's size (Lin et al. 2017,
/// equation 1).
struct ROIPooler {
  let outputSize: Size2D
  /// Pixels between two places of each level.
  let strides: [Int]
  /// Sampling points along a bin; 0 is as many as its size in places, rounded up.
  let samplingRatio: Int

  /// A box of this side in pixels belongs to ``canonicalLevel``.
  static let canonicalSize = 224.0
  static let canonicalLevel = 4

  init(outputSize: Size2D, strides: [Int], samplingRatio: Int = 0) {
    (self.outputSize, self.strides, self.samplingRatio) = (outputSize, strides, samplingRatio)
  }

  /// - Parameters:
  ///   - maps: of each level, N×C×H×W.
  ///   - boxes: of each image, Rᵢ×4.
  /// - Returns: ΣRᵢ×C×h×w, image by image.
  func callAsFunction(_ maps: [Tensor], boxes: [Tensor]) -> Tensor {
    precondition(maps.count == strides.count, "\(maps.count) maps for a pooler of \(strides.count) levels")
    let regions = Self.regions(boxes)  // R×5 on the CPU
    guard regions.isDefined, let first = maps.first, first.isDefined else { return regions }
    let device = first.device
    guard maps.count > 1 else { return pool(first, regions.to(device), stride: strides[0]) }
    var rows = [[Int]](repeating: [], count: maps.count)
    let levels = Self.levels(of: regions, strides: strides)
    for (row, level) in levels.enumerated() { rows[level].append(row) }
    let parts = maps.indices.map { level in
      pool(maps[level], regions.indexSelected(Tensor(rows[level])).to(device), stride: strides[level])
    }
    var places = [Int](repeating: 0, count: levels.count)  // of each box among the parts
    for (place, row) in rows.joined().enumerated() { places[row] = place }
    return Tensor.concatenated(parts).indexSelected(Tensor(places, on: device))
  }

  private func pool(_ map: Tensor, _ regions: Tensor, stride: Int) -> Tensor {
    roiAlign(
      map, boxes: regions, outputSize: outputSize, spatialScale: 1 / Double(stride),
      samplingRatio: samplingRatio)
  }

  /// The boxes with the image's index before them, on the CPU.
  static func regions(_ boxes: [Tensor]) -> Tensor {
    Tensor.concatenated(
      boxes.enumerated().map { image, boxes in
        let here = boxes.to(.cpu)
        let count = here.shape.first ?? 0
        return Tensor.concatenated([.full(Double(image), [count, 1], dtype: here.dtype), here], dim: 1)
      })
  }

  /// The index of each region's level: ⌊4 + log₂(√area / 224 + 10⁻⁸)⌋, no finer and no coarser than there are.
  static func levels(of regions: Tensor, strides: [Int]) -> [Int] {
    let (finest, coarsest) = (Int(log2(Double(strides[0]))), Int(log2(Double(strides[strides.count - 1]))))
    // In the boxes' own precision: a box of exactly 112 pixels lies on a limit.
    return regions.dtype == .float64
      ? levels(regions.array(of: Double.self), finest, coarsest)
      : levels(regions.array(of: Float.self), finest, coarsest)
  }

  private static func levels<Number: TensorElement & BinaryFloatingPoint>(
    _ regions: [Number], _ finest: Int, _ coarsest: Int
  ) -> [Int] {
    stride(from: 0, to: regions.count, by: 5).map { start in
      let area = (regions[start + 3] - regions[start + 1]) * (regions[start + 4] - regions[start + 2])
      let share = area.squareRoot() / Number(canonicalSize) + Number(1e-8)
      let level = (Number(canonicalLevel) + Number(log2(Double(share)))).rounded(.down)
      guard level > Number(finest) else { return 0 }  // no number either, of an inverted box
      return Int(min(level, Number(coarsest))) - finest
    }
  }
}
