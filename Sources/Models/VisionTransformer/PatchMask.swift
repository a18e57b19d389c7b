import Torch

/// Which patches of each image of a batch an encoder sees: a random number for every patch, and the smallest ones are
/// kept, in the order of their numbers (He et al. 2021, section 3).
public struct PatchMask {
  /// The patches of each image in the order of their numbers, N×L int64; the first ``kept`` are seen.
  public let order: Tensor
  /// The number of patches K that are seen, of each image.
  public let kept: Int

  /// - Parameters:
  ///   - noise: The random numbers, N×L.
  ///   - kept: K, at least 1 and fewer than L.
  public init(noise: Tensor, keeping kept: Int) {
    noise.expect([nil, nil], "the numbers of a mask")
    order = noise.argSorted(dim: 1)
    self.kept = kept
    precondition(
      !noise.isDefined || (1..<noise.shape[1]).contains(kept), "\(kept) of \(noise.shape[1]) patches are kept"
    )
  }

  private init(order: Tensor, kept: Int) { (self.order, self.kept) = (order, kept) }

  /// The same mask on another device.
  public func on(_ device: Device) -> PatchMask { PatchMask(order: order.to(device), kept: kept) }

  /// ⌊L·(1 − ratio)⌋ in float64, as published: 100 patches at 0.9 keep 9.
  public static func kept(of patches: Int, ratio: Double) -> Int { Int(Double(patches) * (1 - ratio)) }

  /// The number of patches L.
  public var count: Int { order.shape.last ?? 0 }

  /// The place of each patch in ``order``, N×L int64: it puts tokens back where they were.
  public var places: Tensor { order.argSorted(dim: 1) }

  /// 1 for the hidden patches and 0 for the others, N×L float32.
  public var isHidden: Tensor { (places .>= Double(kept)).to(.float32) }

  /// The kept patches' rows of a table, in their order: N×L×C, or L×C for all images, → N×K×C.
  public func visible(_ table: Tensor) -> Tensor { rows(of: table, order.narrowed(0..<kept, dim: 1)) }

  /// The hidden patches' rows, in their order: N×L×C, or L×C for all images, → N×(L−K)×C.
  public func hidden(_ table: Tensor) -> Tensor { rows(of: table, order.narrowed(kept..<count, dim: 1)) }

  /// Rows in the order of the numbers, back to the patches' places: N×L×C → N×L×C.
  public func restored(_ tokens: Tensor) -> Tensor { rows(of: tokens, places) }

  private func rows(of table: Tensor, _ index: Tensor) -> Tensor {
    let (shape, wanted) = (table.shape, index.shape)
    guard let width = shape.last, wanted.count == 2 else { return table }  // undefined after an error
    var index = index
    if shape.count == 3 {
      let starts = (0..<wanted[0]).map { $0 * count }
      index = index + Tensor(starts, shape: [wanted[0], 1], on: index.device)
    }
    return table.reshaped([-1, width]).indexSelected(index.reshaped([-1])).reshaped(wanted + [width])
  }
}

/// Cuts images into squares, row by row; the numbers of each are its pixels', row by row, a pixel's channels side by
/// side: N×3×H×W → N×(H/size·W/size)×(size·size·3).
public func patchified(_ x: Tensor, size: Int) -> Tensor {
  x.expect([nil, 3, nil, nil], "images to cut into patches")
  guard x.isDefined else { return x }
  let (n, height, width) = (x.shape[0], x.shape[2], x.shape[3])
  precondition(
    height.isMultiple(of: size) && width.isMultiple(of: size),
    "images of \(height)×\(width) pixels have no whole \(size)×\(size) patches")
  return x.permuted([0, 2, 3, 1]).reshaped([n, height / size, size, width / size, size, 3])
    .permuted([0, 1, 3, 2, 4, 5]).reshaped([n, height / size * (width / size), size * size * 3])
}

/// The images of all patches of square images: N×L×(size·size·3) → N×3×H×H.
public func unpatchified(_ patches: Tensor, size: Int) -> Tensor {
  patches.expect([nil, nil, size * size * 3], "patches of \(size)×\(size) pixels")
  guard patches.isDefined else { return patches }
  let side = Int(Double(patches.shape[1]).squareRoot().rounded())
  precondition(side * side == patches.shape[1], "\(patches.shape[1]) patches are no square")
  return patches.reshaped([-1, side, side, size, size, 3]).permuted([0, 5, 1, 3, 2, 4])
    .reshaped([-1, 3, side * size, side * size])
}
