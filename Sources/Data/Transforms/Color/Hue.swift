import Torch

/// Turns the hue as torchvision does on Pillow images. Overwrites `x`, N×3×H×W.
///
/// - Parameter shifts: N whole numbers 0...255: see ``hueShift(turns:)``.
func adjustHue(_ x: Tensor, by shifts: Tensor) { x.turnHue8Bit(by: shifts) }

/// The shift of a hue of 8 bits: 255 a turn, cut towards zero, negative ones wrapped.
func hueShift(turns: Double) -> Int { Int(turns * 255) & 255 }
