import CTorch

/// The intersection of each box of `a` with each of `b`, divided by their union; 0 where they do not meet. Without gradient.
/// - Parameters:
///   - a: M×4: x0, y0, x1, y1.
///   - b: N×4.
/// - Returns: M×N.
public func boxIoU(_ a: Tensor, _ b: Tensor) -> Tensor {
  produce { ct_box_iou($0, a.handle, b.handle) }
}
