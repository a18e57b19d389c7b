import CTorch

/// Drops each box whose IoU with a kept box of a higher score is above `threshold`. Of equal scores the lower index counts as the
/// higher.
/// - Parameters:
///   - boxes: N×4: x0, y0, x1, y1.
///   - scores: N.
/// - Returns: The kept indices by falling score, int64.
public func nms(_ boxes: Tensor, scores: Tensor, threshold: Double) -> Tensor {
  TorchvisionLibrary.loadForUse(on: boxes.device)
  return produce { ct_nms($0, boxes.handle, scores.handle, nil, threshold) }
}

/// The same, where only boxes of one class compete.
///
/// Boxes of different classes are never compared, and IoUs are those of the boxes as they are. Up to 1,000 boxes
/// torchvision instead adds class · (largest coordinate + 1) to the coordinates and suppresses once, which in float32 costs
/// the last digits of coordinates: its decisions on IoUs very near the threshold can differ.
/// - Parameter classes: N int64.
public func batchedNMS(_ boxes: Tensor, scores: Tensor, classes: Tensor, threshold: Double) -> Tensor {
  produce { ct_nms($0, boxes.handle, scores.handle, classes.handle, threshold) }
}
