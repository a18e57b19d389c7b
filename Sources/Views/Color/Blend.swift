import Torch

// The three operations that torchvision makes of Pillow's `ImageEnhance`: a blend of the picture with a
// degenerate one. Levels are whole numbers 0...255 in float32, so all of this is exact.

/// Moves levels away from (factor above 1) or towards (below 1) those of `degenerate`, then clips and truncates
/// to 8 bits. Overwrites `x`.
///
/// - Parameters:
///   - x: N×3×H×W.
///   - degenerate: broadcasts to `x`; nil is black.
///   - factors: N×1×1×1.
private func blend(_ x: Tensor, with degenerate: Tensor?, by factors: Tensor) {
  if let degenerate { x.add(degenerate, scale: -1) }
  x.multiply(by: factors)
  if let degenerate { x.add(degenerate) }
  x.clamp(0, 255)
  x.roundDown()
}

/// Levels times `factors` (N×1×1×1). Overwrites `x`, N×3×H×W.
func adjustBrightness(_ x: Tensor, by factors: Tensor) {
  blend(x, with: nil, by: factors)
}

/// A blend with gray of the picture's mean luma, which Pillow rounds to a whole level. Overwrites `x`.
func adjustContrast(_ x: Tensor, by factors: Tensor) {
  let mean = luma(x).mean(dims: [1, 2, 3], keepDim: true) + 0.5
  mean.roundDown()
  blend(x, with: mean, by: factors)
}

/// A blend with the gray picture. Overwrites `x`.
func adjustSaturation(_ x: Tensor, by factors: Tensor) {
  blend(x, with: luma(x), by: factors)
}
