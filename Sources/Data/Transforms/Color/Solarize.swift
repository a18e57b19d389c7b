import Torch

/// Inverts levels of 128 and above: whichever of x and 255 − x is darker. Overwrites `x`.
func solarize(_ x: Tensor) {
  x.copy(from: minimum(x, 255 - x))
}
