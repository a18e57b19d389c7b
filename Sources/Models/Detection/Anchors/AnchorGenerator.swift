import Torch

/// Anchors: boxes x0, y0, x1, y1 of every size and ratio around every place of every level of a map (Ren et al. 2015).
///
/// They are centred on the place's upper left corner, moved by `offset` strides, and not rounded.
public struct AnchorGenerator: Sendable, Equatable {
  /// The anchors of the place at (0, 0), four numbers each, level by level; sizes outer, ratios inner.
  public let cellAnchors: [[Double]]
  public let strides: [Int]
  public let offset: Double

  /// - Parameters:
  ///   - sizes: square roots of areas in pixels, a list a level.
  ///   - aspectRatios: height over width, a list a level.
  ///   - strides: pixels between two places, a number a level.
  ///   - offset: as a share of the stride.
  public init(sizes: [[Double]], aspectRatios: [[Double]], strides: [Int], offset: Double = 0) {
    precondition(
      sizes.count == strides.count && aspectRatios.count == strides.count,
      "\(sizes.count) lists of sizes and \(aspectRatios.count) of ratios for \(strides.count) levels")
    (self.strides, self.offset) = (strides, offset)
    cellAnchors = zip(sizes, aspectRatios).map { sizes, ratios in
      sizes.flatMap { size in
        ratios.flatMap { ratio in
          let width = (size * size / ratio).squareRoot()
          let height = ratio * width
          return [-width / 2, -height / 2, width / 2, height / 2]
        }
      }
    }
    precondition(
      Set(cellAnchors.map(\.count)).count == 1, "levels with unequal numbers of anchors: \(cellAnchors)")
  }

  init(_ spec: DetectorSpec.Anchors, strides: [Int]) {
    self.init(
      sizes: spec.sizes, aspectRatios: strides.map { _ in spec.aspectRatios }, strides: strides,
      offset: spec.offset)
  }

  /// A: anchors of a place.
  public var anchorsPerPlace: Int { (cellAnchors.first?.count ?? 0) / 4 }

  /// The anchors of maps of these sizes, level by level: H·W·A×4, by row, column, anchor.
  public func callAsFunction(_ sizes: [Size2D], dtype: DType, on device: Device = .cpu) -> [Tensor] {
    precondition(sizes.count == strides.count, "\(sizes.count) maps for \(strides.count) levels of anchors")
    return sizes.indices.map { level in
      let (size, stride) = (sizes[level], Double(strides[level]))
      let cell = Tensor(cellAnchors[level], shape: [1, anchorsPerPlace, 4]).to(dtype).to(device)
      func places(_ count: Int) -> Tensor {
        Tensor.arange(count, dtype: dtype, on: device) * stride + offset * stride
      }
      let shape = [size.height, size.width]
      let x = places(size.width).reshaped([1, size.width]).expanded(shape)  // H×W
      let y = places(size.height).reshaped([size.height, 1]).expanded(shape)
      let shifts = Tensor.stacked([x, y, x, y], dim: 2).reshaped([size.height * size.width, 1, 4])
      return (shifts + cell).reshaped([-1, 4])  // H·W·A×4
    }
  }
}
