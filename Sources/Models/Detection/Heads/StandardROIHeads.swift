import Torch

/// The heads of DC5 and FPN: 7×7 features of each box for classes and boxes, 14×14 for masks and keypoints, each pooled
/// from the level that fits the box (Lin et al. 2017; He et al. 2017).
final class StandardROIHeads: Module, ROIHeads {
  let boxHead: BoxHead
  let boxPredictor: FastRCNNOutputLayers
  let maskHead: MaskHead?
  let keypointHead: KeypointHead?
  let fastRCNN: FastRCNN
  private let boxPooler: ROIPooler
  private let mapPooler: ROIPooler  // of masks and keypoints
  private let levels: Int

  /// - Parameter strides: of the levels that boxes are pooled from, finest first.
  init(
    _ spec: DetectorSpec, channels: Int, strides: [Int], norm: ResNet.Norm, using generator: Generator
  ) {
    boxHead = BoxHead(spec.boxHead, channels: channels, resolution: 7, norm: norm, using: generator)
    boxPredictor = FastRCNNOutputLayers(
      boxHead.outputs, classes: spec.classes, isClassAgnostic: spec.roi.isClassAgnostic, using: generator)
    maskHead =
      spec.hasMasks
      ? MaskHead(spec.maskHead, channels: channels, classes: spec.classes, norm: norm, using: generator) : nil
    keypointHead =
      spec.keypoints > 0
      ? KeypointHead(spec.keypointHead, channels: channels, keypoints: spec.keypoints, using: generator) : nil
    fastRCNN = FastRCNN(spec)
    boxPooler = ROIPooler(outputSize: 7, strides: strides)
    mapPooler = ROIPooler(outputSize: 14, strides: strides)
    levels = strides.count
  }

  func boxFeatures(_ maps: [Tensor], boxes: [Tensor]) -> Tensor {
    boxHead(boxPooler(Array(maps.prefix(levels)), boxes: boxes))  // of R×256×7×7
  }

  /// For masks and keypoints: R×256×14×14.
  private func pooled(_ maps: [Tensor], boxes: [Tensor]) -> Tensor {
    mapPooler(Array(maps.prefix(levels)), boxes: boxes)
  }

  func losses(_ maps: [Tensor], _ regions: [SampledRegions], _ truth: [GroundTruth]) -> [(
    name: String, value: Tensor
  )] {
    var losses = boxLosses(boxFeatures(maps, boxes: regions.map(\.boxes)), regions, truth)
    if let maskHead {
      let features = pooled(maps, boxes: regions.map(\.foregroundBoxes))  // F×256×14×14
      losses.append(("loss_mask", maskHead.loss(features, regions, truth)))
    }
    if let keypointHead {
      let seen = zip(regions, truth).map { $0.withVisibleKeypoints($1) }
      let features = pooled(maps, boxes: seen.map(\.boxes))
      losses.append(("loss_keypoint", keypointHead.loss(features, seen, truth)))
    }
    return losses
  }

  func detect(_ maps: [Tensor], _ proposals: [Proposals], images: [Size2D]) -> [Instances] {
    let found = boxes(boxFeatures(maps, boxes: proposals.map(\.boxes)), proposals, images: images)
    guard maskHead != nil || keypointHead != nil else { return found }
    let features = pooled(maps, boxes: found.map(\.boxes))  // R×256×14×14
    let masks = maskHead.map {
      $0.probabilities(features, classes: Tensor.concatenated(found.map(\.classes)))
    }
    let keypoints = keypointHead.map {
      $0.keypoints(features, boxes: Tensor.concatenated(found.map(\.boxes)))
    }
    return extended(found, masks: masks, keypoints: keypoints)
  }
}
