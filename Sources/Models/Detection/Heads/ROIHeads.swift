import Torch

/// What happens to each proposed box: class, better box, mask, keypoints.
protocol ROIHeads: Module {
  var boxPredictor: FastRCNNOutputLayers { get }
  var fastRCNN: FastRCNN { get }

  /// The features that the box predictor takes, of all images' boxes: R×F.
  /// - Parameter boxes: of the images.
  func boxFeatures(_ maps: [Tensor], boxes: [Tensor]) -> Tensor

  /// The losses by detectron2's names.
  /// - Parameters:
  ///   - maps: the levels, N×C×H×W each.
  ///   - regions: of the images.
  ///   - truth: of the images.
  func losses(_ maps: [Tensor], _ regions: [SampledRegions], _ truth: [GroundTruth]) -> [(
    name: String, value: Tensor
  )]

  /// The objects of each image.
  func detect(_ maps: [Tensor], _ proposals: [Proposals], images: [Size2D]) -> [Instances]
}

extension ROIHeads {
  func boxLosses(_ features: Tensor, _ regions: [SampledRegions], _ truth: [GroundTruth]) -> [(
    name: String, value: Tensor
  )] {
    let (logits, deltas) = predictions(features, like: regions.first?.boxes)
    let (classification, box) = fastRCNN.losses(logits: logits, deltas: deltas, regions, truth)
    return [("loss_cls", classification), ("loss_box_reg", box)]
  }

  /// Classes and boxes of each image, without masks and keypoints.
  /// - Parameter features: of all images' proposals, R×F.
  func boxes(_ features: Tensor, _ proposals: [Proposals], images: [Size2D]) -> [Instances] {
    let (logits, deltas) = predictions(features, like: proposals.first?.boxes)
    var start = 0
    return zip(proposals, images).map { proposals, image in
      let rows = start..<start + (proposals.boxes.shape.first ?? 0)
      start = rows.upperBound
      return fastRCNN.detections(
        logits: logits.narrowed(rows), deltas: deltas.narrowed(rows), proposals: proposals.boxes, in: image
      ).instances
    }
  }

  /// In the boxes' type: bfloat16 has too few bits for what follows.
  private func predictions(_ features: Tensor, like boxes: Tensor?) -> (logits: Tensor, deltas: Tensor) {
    let (logits, deltas) = boxPredictor.predict(features)
    let dtype = boxes?.dtype ?? logits.dtype
    return (logits.to(dtype), deltas.to(dtype))
  }

  /// The instances with masks and keypoints, which are of all images' instances together.
  func extended(
    _ instances: [Instances], masks: Tensor?, keypoints: Tensor?
  ) -> [Instances] {
    var start = 0
    return instances.map { each in
      let rows = start..<start + each.count
      start = rows.upperBound
      return Instances(
        size: each.size, boxes: each.boxes, scores: each.scores, classes: each.classes,
        masks: masks?.narrowed(rows), keypoints: keypoints?.narrowed(rows))
    }
  }
}
