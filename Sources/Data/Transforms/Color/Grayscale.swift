import Torch

/// The luma in all three channels, by Pillow's conversion to gray. Overwrites `x`, N×3×H×W.
func grayscale(_ x: Tensor) {
  x.copy(from: roundedLuma(x))
}
