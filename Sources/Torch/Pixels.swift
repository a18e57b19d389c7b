import CTorch

/// An operation on the levels 0...255 of one picture in the CPU's memory. Levels stay whole.
package enum LevelOperation: Sendable {
  /// Levels times a factor, as all blends clipped and truncated.
  case brightness(Float)
  /// A blend with gray of the picture's mean luma, rounded to a whole level.
  case contrast(Float)
  /// A blend with each pixel's luma.
  case saturation(Float)
  /// Turns the hue of Pillow's 8-bit HSV by a whole number 0...255; it wraps at 256.
  case hue(by: Float)
  /// The luma in all three channels.
  case grayscale
  /// Sums along the rows, then down the columns, rounded to whole levels.
  case blur(across: BandMatrix, down: BandMatrix)
  /// Whichever of x and 255 − x is darker.
  case solarize
}

/// A square matrix that is zero further than `reach` from its diagonal.
package struct BandMatrix: Sendable, Equatable {
  package let size: Int
  package let reach: Int
  /// 2·reach + 1 values a row, the diagonal's in the middle. Those of places outside the matrix count for nothing.
  package let values: [Float]

  package init(size: Int, reach: Int, values: [Float]) {
    precondition(
      reach >= 0 && values.count == size * (2 * reach + 1),
      "\(values.count) values of a matrix of \(size) rows that reaches \(reach)")
    (self.size, self.reach, self.values) = (size, reach, values)
  }
}

/// Pictures as the input of a network: each picture's operations in order, then level · scale + shift. On the CPU
/// only; a few pixels at a time go through all operations.
///
/// - Parameters:
///   - pixels: N×H×W×3 bytes.
///   - operations: of each of the N pictures.
///   - scale: Three numbers, as `shift`.
/// - Returns: N×H×W×3 float32.
package func views(ofPixels pixels: Tensor, _ operations: [[LevelOperation]], scale: Tensor, shift: Tensor)
  -> Tensor
{
  var steps: [ct_color_step] = []
  var weights: [Float] = []
  let ends = operations.map { each in
    for operation in each { steps.append(ct_color_step(operation, in: pixels, &weights)) }
    return Int64(steps.count)
  }
  return produce {
    ct_views_from_pixels(
      $0, pixels.handle, steps, ends, ends.count, weights, weights.count, scale.handle, shift.handle)
  }
}

extension ct_color_step {
  /// Appends what it refers to to `weights`.
  fileprivate init(_ operation: LevelOperation, in pixels: Tensor, _ weights: inout [Float]) {
    self.init()
    switch operation {
    case .brightness(let factor): (kind, value) = (CT_COLOR_BRIGHTNESS, factor)
    case .contrast(let factor): (kind, value) = (CT_COLOR_CONTRAST, factor)
    case .saturation(let factor): (kind, value) = (CT_COLOR_SATURATION, factor)
    case .hue(let turn): (kind, value) = (CT_COLOR_HUE, turn)
    case .grayscale: kind = CT_COLOR_GRAYSCALE
    case .solarize: kind = CT_COLOR_SOLARIZE
    case .blur(let across, let down):
      precondition(
        across.size == pixels.shape[2] && down.size == pixels.shape[1] && across.reach == down.reach,
        "a blur of \(down.size) × \(across.size) pixels that reaches \(down.reach), \(across.reach) for \(pixels.shape)"
      )
      kind = CT_COLOR_BLUR
      reach = Int64(across.reach)
      self.across = Int64(weights.count)
      weights += across.values
      self.down = across == down ? self.across : Int64(weights.count)
      if across != down { weights += down.values }
    }
  }
}

// Elsewhere pictures are planes of float32 levels 0...255, N×3×H×W, and each of these is a chain of tensor operations.

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
