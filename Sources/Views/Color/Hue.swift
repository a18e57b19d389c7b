import Torch

// Pillow's 8-bit HSV, without a branch: hue in 255ths of a turn, saturation and value 0...255.

/// Turns the hue, which wraps at 256 as torchvision's does on Pillow images. Overwrites `x`, N×3×H×W.
///
/// - Parameter shifts: N×1×1×1, whole numbers 0...255: see ``hueShift(turns:)``.
func adjustHue(_ x: Tensor, by shifts: Tensor) {
  let (red, green, blue) = (x.narrowed(0..<1, dim: 1), x.narrowed(1..<2, dim: 1), x.narrowed(2..<3, dim: 1))
  let value = maximum(maximum(red, green), blue)
  let range = value - minimum(minimum(red, green), blue)
  let hue = hue8Bit(red, green, blue, value, range) + shifts
  // hue mod 256, for a sum below 512.
  let wraps = hue - 255
  wraps.clamp(0, 1)
  hue.add(wraps, scale: -256)

  let saturation = range * 255 / value.clamped(1, 255)
  saturation.roundDown()
  saturation.multiply(by: value)
  paint(x, hue, value, saturation)
}

/// The shift of a hue of 8 bits: 255 a turn, cut towards zero, negative ones wrapped.
func hueShift(turns: Double) -> Int { Int(turns * 255) & 255 }

/// The hue of every pixel, N×1×H×W.
///
/// From red, the way to a hue without regard to direction is (G + B − R + max − 2·min) / (max − min) sixths of a
/// turn; it goes by green where G ≥ B and by blue elsewhere. For 0.3 % of the colours the exact hue is a whole
/// number that Pillow's rounding of intermediate results makes one less.
private func hue8Bit(
  _ red: Tensor, _ green: Tensor, _ blue: Tensor, _ value: Tensor, _ range: Tensor
) -> Tensor {
  // max − 2·min is 2·range − max.
  let way = green + blue
  way.add(red, scale: -1)
  way.add(range, scale: 2)
  way.add(value, scale: -1)
  way.multiply(by: 42.5)
  // Gray has no hue: 0 / 1.
  let hue = blue - green
  hue.clamp(0, 1)
  hue.multiply(by: 255)
  hue.add(way / range.clamped(1, 255), scale: -1)
  let whole = hue.abs()
  whole.roundDown()
  return whole
}

/// RGB from HSV, into `x`. A channel is full within a sixth of a turn of its own hue, empty beyond two sixths, and
/// falls linearly between: level = value − value · saturation · emptiness.
///
/// - Parameter depth: value · saturation.
private func paint(_ x: Tensor, _ hue: Tensor, _ value: Tensor, _ depth: Tensor) {
  // Emptiness, 0...42.5 (a sixth of 255), by the distance from red at 0 and 255, green at 85, blue at 170.
  let red = 85 - (hue - 127.5).abs()
  red.clamp(0, 42.5)
  let (green, blue) = ((hue - 85).abs() - 42.5, (hue - 170).abs() - 42.5)
  green.clamp(0, 42.5)
  blue.clamp(0, 42.5)
  depth.multiply(by: 1 / (42.5 * 255))
  for (channel, emptiness) in [red, green, blue].enumerated() {
    emptiness.multiply(by: depth)
    x.narrowed(channel..<channel + 1, dim: 1).copy(from: (value - emptiness).rounded())
  }
}
