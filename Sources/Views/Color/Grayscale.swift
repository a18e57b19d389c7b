import Torch

/// Pillow's conversion to gray, ITU-R 601-2: (19595·R + 38470·G + 7471·B + 2¹⁵) ≫ 16, N×3×H×W → N×1×H×W.
///
/// Exact in float32: the weights are divided by 2¹⁶ beforehand, and no sum needs more than 24 bits.
func luma(_ x: Tensor) -> Tensor {
  let scale = 1.0 / 65536
  let gray = x.narrowed(0..<1, dim: 1) * (19595 * scale)
  gray.add(x.narrowed(1..<2, dim: 1), scale: 38470 * scale)
  gray.add(x.narrowed(2..<3, dim: 1), scale: 7471 * scale)
  let rounded = gray + 0.5
  rounded.roundDown()
  return rounded
}

/// The luma in all three channels. Overwrites `x`, N×3×H×W.
func grayscale(_ x: Tensor) {
  x.copy(from: luma(x))
}
