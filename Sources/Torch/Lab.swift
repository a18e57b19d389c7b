// CIE Lab of sRGB pictures under the daylight D65. The constants are rounded as scikit-image's, so that white has a =
// −0.002 and b = 0.005.

/// CIE L*a*b* of sRGB levels.
///
/// - Parameter levels: N×3×H×W: red, green and blue, 0 … 1.
/// - Returns: N×3×H×W of the same type: L, 0 … 100; a, −87 … 99; b, −108 … 95.
public func lab(sRGB levels: Tensor) -> Tensor {
  let light = Tensor.where(levels .> 0.04045, ((levels + 0.055) / 1.055).pow(2.4), levels / 12.92)
  let (red, green, blue) = (
    light.selected(0, dim: 1), light.selected(1, dim: 1), light.selected(2, dim: 1)
  )  // N×H×W each

  /// A coordinate of XYZ, as a share of white's, on a scale of equal steps to the eye.
  func response(_ r: Double, _ g: Double, _ b: Double, white: Double) -> Tensor {
    let share = (red * r + green * g + blue * b) / white
    return Tensor.where(share .> 0.008856, share.pow(1.0 / 3), share * 7.787 + 16.0 / 116)
  }
  let x = response(0.412453, 0.357580, 0.180423, white: 0.95047)
  let y = response(0.212671, 0.715160, 0.072169, white: 1)
  let z = response(0.019334, 0.119193, 0.950227, white: 1.08883)
  return Tensor.stacked([y * 116 - 16, (x - y) * 500, (y - z) * 200], dim: 1)
}
