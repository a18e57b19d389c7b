import CTorch

// Pictures as planes of float32 levels 0...255, N×3×H×W. Each function touches a pixel once on the CPU.

/// N×H×W×3 bytes as planes.
public func planes(ofPixels pixels: Tensor) -> Tensor {
  produce { ct_planes_from_pixels($0, pixels.handle) }
}

/// Levels as ⌊luma + ½⌋ by ITU-R 601-2 in 16 bits, as Pillow's: N×3×H×W → N×1×H×W.
public func roundedLuma(_ planes: Tensor) -> Tensor { produce { ct_luma($0, planes.handle) } }

extension Tensor {
  /// Overwrites these pixels, N×H×W×3 float32, with planes · scale + shift; `scale` and `shift` have three numbers.
  public func copy(fromPlanes planes: Tensor, scale: Tensor, shift: Tensor) {
    check(ct_pixels_from_planes_(handle, planes.handle, scale.handle, shift.handle))
  }

  /// Moves these planes' levels away from (factor above 1) or towards (below 1) those of `degenerate`, then clips and
  /// truncates to 8 bits.
  ///
  /// - Parameters:
  ///   - degenerate: N×1×1×1 or N×1×H×W; nil is black.
  ///   - factors: One per sample.
  public func blendLevels(with degenerate: Tensor?, by factors: Tensor) {
    check(ct_blend_levels_(handle, degenerate?.handle, factors.handle))
  }

  /// Rotates these planes' hues in Pillow's 8-bit HSV, where a full turn is 255 and a hue wraps at 256.
  ///
  /// - Parameter turns: Whole numbers 0...255, one per sample.
  public func turnHue8Bit(by turns: Tensor) { check(ct_turn_hue_(handle, turns.handle)) }
}
