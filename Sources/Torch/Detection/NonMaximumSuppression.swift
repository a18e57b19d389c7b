import CTorch

/// Drops each box whose IoU with a kept box of a higher score is above `threshold`. Of equal scores the lower index counts as the
/// higher.
/// - Parameters:
///   - boxes: N×4: x0, y0, x1, y1.
///   - scores: N.
/// - Returns: The kept indices by falling score, int64.
public func nms(_ boxes: Tensor, scores: Tensor, threshold: Double) -> Tensor {
  produce { ct_nms($0, boxes.handle, scores.handle, nil, threshold) }
}

/// The same, where only boxes of one class compete.
///
/// Classes are told apart by their number. torchvision shifts the boxes of each class to a place of their own
/// instead, where they are few, which costs digits in float32: its decisions on an IoU within about 1e-4 of the threshold
/// can differ.
/// - Parameter classes: N int64.
public func batchedNMS(_ boxes: Tensor, scores: Tensor, classes: Tensor, threshold: Double) -> Tensor {
  produce { ct_nms($0, boxes.handle, scores.handle, classes.handle, threshold) }
}
