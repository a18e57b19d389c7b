import CTorch

/// The values in boxes, as grids of one size (He et al. 2017, "Mask R-CNN", section 3): each bin is the mean of its samples, which
/// are interpolated bilinearly. A sample more than a pixel outside the map counts as 0, and a box without area gives 0.
/// - Parameters:
///   - x: N×C×H×W; channels-last is the fastest layout.
///   - boxes: R×5: image index, and x0, y0, x1, y1 in pixels of the image.
///   - outputSize: The number of bins h×w.
///   - spatialScale: Pixels of the map per pixel of the image.
///   - samplingRatio: Samples a side of each bin; 0 is the bin's size in pixels of the map, rounded up.
///   - aligned: Whether the centre of a pixel lies at its index plus ½. Without it (the form of 2017) boxes lie half a
///     pixel further right and below, and have at least one pixel a side.
/// - Returns: R×C×h×w, with a gradient for `x`.
public func roiAlign(
  _ x: Tensor, boxes: Tensor, outputSize: Size2D, spatialScale: Double, samplingRatio: Int = 0,
  aligned: Bool = true
) -> Tensor {
  precondition(samplingRatio >= 0, "samplingRatio = \(samplingRatio) is negative")
  TorchvisionLibrary.loadForUse(on: x.device)
  return produce {
    ct_roi_align(
      $0, x.handle, boxes.handle, outputSize.c, spatialScale, Int64(samplingRatio), aligned)
  }
}

/// The same from matrix products: for devices without a kernel, and the kernel's test.
package func roiAlignComposed(
  _ x: Tensor, boxes: Tensor, outputSize: Size2D, spatialScale: Double, samplingRatio: Int = 0,
  aligned: Bool = true
) -> Tensor {
  produce {
    ct_roi_align_composed(
      $0, x.handle, boxes.handle, outputSize.c, spatialScale, Int64(samplingRatio), aligned)
  }
}
