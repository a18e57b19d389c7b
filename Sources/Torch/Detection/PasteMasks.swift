import CTorch

/// Masks of boxes as masks of the image: each is stretched over its box, interpolated bilinearly at the centres of the
/// image's pixels, with 0 around it, and compared with the threshold. A box without area gives an empty mask.
/// - Parameters:
///   - masks: R×h×w, 0…1.
///   - boxes: R×4: x0, y0, x1, y1 in pixels of the image.
///   - threshold: The lowest value that is inside; above 0.
/// - Returns: R×height×width uint8, 1 inside.
public func pasteMasks(
  _ masks: Tensor, boxes: Tensor, height: Int, width: Int, threshold: Double = 0.5
) -> Tensor {
  precondition(threshold > 0, "threshold = \(threshold) must be above 0")
  return produce {
    ct_paste_masks($0, masks.handle, boxes.handle, Int64(height), Int64(width), threshold)
  }
}
