extension DetectorSpec {
  /// The largest number that any size in a spec can have.
  private static let most = 1 << 20

  /// A sentence that begins with the name of a value that no detector can have; nil where there is none. A spec may come
  /// from a file or a command line.
  package var problem: String? {
    structureProblem ?? anchorProblem ?? samplingProblem ?? testProblem
      ?? PixelNormalization.problem(mean: pixelMean, std: pixelStd)
  }

  private var structureProblem: String? {
    if (detector == .vit) != arch.isTransformer {
      return arch.isTransformer
        ? "arch \(arch.rawValue): a vision transformer has one map; the detector for it is vit."
        : "arch \(arch.rawValue): the detector vit needs a vision transformer."
    }
    if !arch.isTransformer, arch.depths.count < 4 {
      return "arch \(arch.rawValue): detectors need the four stages of resnet18 to resnet152."
    }
    if arch.isTransformer,
      !imageSize.isMultiple(of: 16) || !(16...EncoderSpec.largestSide).contains(imageSize)
    {
      return "image-size \(imageSize): a multiple of 16, up to \(EncoderSpec.largestSide)."
    }
    if keypoints > 0, detector == .c4 {
      return "keypoints: the detector c4 has no head for them; give dc5 or fpn."
    }
    if !(0...5).contains(freezeAt) { return "freeze-at \(freezeAt): 0 (nothing) to 5 (all stages)." }
    let sizes = [
      ("classes", classes, 1), ("keypoints", keypoints, 0), ("fpn-channels", fpn.channels, 1),
      ("box-head convolutions", boxHead.convolutions, 0), ("box-head channels", boxHead.channels, 1),
      ("box-head linears", boxHead.linears, 0), ("box-head size", boxHead.size, 1),
      ("mask-head convolutions", maskHead.convolutions, 0), ("mask-head channels", maskHead.channels, 1),
      ("keypoint-head convolutions", keypointHead.convolutions, 0),
      ("keypoint-head channels", keypointHead.channels, 1),
    ]
    return sizes.lazy.compactMap { Self.outside($0, $1, from: $2) }.first
  }

  private static func outside(_ name: String, _ value: Int, from least: Int) -> String? {
    let most = name.hasSuffix("convolutions") || name.hasSuffix("linears") ? 64 : Self.most
    return (least...most).contains(value) ? nil : "\(name) \(value): \(least) to \(most)."
  }

  private var anchorProblem: String? {
    let levels = detector == .fpn ? 5 : 1
    guard anchors.sizes.count == levels else {
      return
        "anchor-sizes of \(anchors.sizes.count) levels: the detector \(detector.rawValue) has \(levels); give sizes for each."
    }
    let counts = Set(anchors.sizes.map(\.count))
    guard counts.count == 1, counts.first ?? 0 > 0, !anchors.aspectRatios.isEmpty else {
      return "anchor-sizes \(anchors.sizes): every level needs as many anchors, and one at least."
    }
    guard (anchors.sizes.flatMap(\.self) + anchors.aspectRatios).allSatisfy({ $0 > 0 && $0 <= 1e6 }) else {
      return "anchors: sizes and ratios lie above 0 and up to 1000000."
    }
    return (0..<1).contains(anchors.offset) ? nil : "anchor-offset \(anchors.offset): 0 to below 1."
  }

  private var samplingProblem: String? {
    for (name, count) in [
      ("rpn batch-size-per-image", rpn.batchSizePerImage),
      ("roi batch-size-per-image", roi.batchSizePerImage),
      ("pre-nms-topk", rpn.preNMSTopK.training), ("pre-nms-topk", rpn.preNMSTopK.test),
      ("post-nms-topk", rpn.postNMSTopK.training), ("post-nms-topk", rpn.postNMSTopK.test),
      ("detections-per-image", test.detectionsPerImage),
    ] where !(1...Self.most).contains(count) {
      return "\(name) \(count): 1 to \(Self.most)."
    }
    for (name, share) in [
      ("rpn positive-fraction", rpn.positiveFraction), ("roi positive-fraction", roi.positiveFraction),
      ("roi iou-threshold", roi.iouThreshold), ("rpn nms-threshold", rpn.nmsThreshold),
    ] where !(0...1).contains(share) {
      return "\(name) \(share): 0 to 1."
    }
    guard rpn.iouThresholds.count == 2, rpn.iouThresholds.allSatisfy((0...1).contains),
      rpn.iouThresholds[0] <= rpn.iouThresholds[1]
    else { return "rpn iou-thresholds \(rpn.iouThresholds): two numbers from 0 to 1, rising." }
    guard roi.boxWeights.count == 4, roi.boxWeights.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      return "box-weights \(roi.boxWeights): four numbers above 0."
    }
    return [rpn.smoothL1Beta, roi.smoothL1Beta, rpn.minBoxSize].allSatisfy { $0 >= 0 && $0.isFinite }
      ? nil : "smooth-l1-beta, min-box-size: 0 or more."
  }

  private var testProblem: String? {
    for (name, share) in [
      ("score-threshold", test.scoreThreshold), ("nms-threshold", test.nmsThreshold),
    ] where !(0...1).contains(share) {
      return "\(name) \(share): 0 to 1."
    }
    // From 0 on the image around a box would belong to its object.
    guard test.maskThreshold > 0, test.maskThreshold <= 1 else {
      return "mask-threshold \(test.maskThreshold): above 0 and at most 1."
    }
    return nil
  }
}
