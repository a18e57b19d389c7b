import Images
import Torch

// The three operations that torchvision makes of Pillow's `ImageEnhance`: a blend of the picture with a
// degenerate one. Levels are whole numbers 0...255 in float32, so all of this is exact.

/// Levels times `factors` (N×1×1×1). Overwrites `x`, N×3×H×W.
func adjustBrightness(_ x: Tensor, by factors: Tensor) {
  x.blendLevels(with: nil, by: factors)
}

/// A blend with gray of the picture's mean luma, which Pillow rounds to a whole level. Overwrites `x`.
func adjustContrast(_ x: Tensor, by factors: Tensor) {
  let mean = roundedLuma(x).mean(dims: [1, 2, 3], keepDim: true) + 0.5
  mean.roundDown()
  x.blendLevels(with: mean, by: factors)
}

/// A blend with the gray picture. Overwrites `x`.
func adjustSaturation(_ x: Tensor, by factors: Tensor) {
  x.blendLevels(with: roundedLuma(x), by: factors)
}
