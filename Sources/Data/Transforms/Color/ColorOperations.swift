import Torch

// Levels are whole numbers 0...255 in float32, N×3×H×W. The first three operations are those that torchvision takes
// from Pillow's `ImageEnhance`: a blend of the picture with a degenerate one. All of this is exact.

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

/// The luma in all three channels, by Pillow's conversion to gray. Overwrites `x`, N×3×H×W.
func grayscale(_ x: Tensor) {
  x.copy(from: roundedLuma(x))
}

/// Turns the hue as torchvision does on Pillow images. Overwrites `x`, N×3×H×W.
///
/// - Parameter shifts: N whole numbers 0...255: see ``hueShift(turns:)``.
func adjustHue(_ x: Tensor, by shifts: Tensor) { x.turnHue8Bit(by: shifts) }

/// The shift of a hue of 8 bits: 255 a turn, cut towards zero, negative ones wrapped.
func hueShift(turns: Double) -> Int { Int(turns * 255) & 255 }

/// Inverts levels of 128 and above: whichever of x and 255 − x is darker. Overwrites `x`.
func solarize(_ x: Tensor) {
  x.copy(from: minimum(x, 255 - x))
}
