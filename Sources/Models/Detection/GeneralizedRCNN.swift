import Torch

/// A two-stage detector: Faster R-CNN (Ren et al. 2015), with masks Mask R-CNN (He et al. 2017).
///
///     let detector = GeneralizedRCNN(DetectorSpec(.fpn, classes: 80, masks: true), using: Generator(seed: 0))
///     let losses = try detector.losses(detector.preprocess(images), truth, sampler: .first)
///     losses.total.backward()
///     detector.train(false)
///     let found = try detector.detect(detector.preprocess(images))
///
/// Names in the state are detectron2's, but for the backbone's, which are torchvision's, and for layers in lists:
/// ``detectron2Name(of:)``.
public final class GeneralizedRCNN: Module {
  let backbone: any DetectorBackbone
  let proposalGenerator: RPN
  let roiHeads: any ROIHeads
  public let spec: DetectorSpec
  private let proposalSampler: ProposalSampler

  /// - Parameters:
  ///   - spec: all numbers.
  ///   - norm: the layers of normalisation, if not as `spec.norm` says. Those over all ranks are plain until
  ///     ``Torch/Module/synchronizeBatchNorm(over:)``.
  ///   - generator: draws the weights.
  public init(_ spec: DetectorSpec, norm: ResNet.Norm? = nil, using generator: Generator) {
    if let problem = spec.problem { preconditionFailure(problem) }
    self.spec = spec
    let norm = norm ?? spec.norm.layers
    backbone = spec.makeBackbone(norm: norm, using: generator)
    proposalGenerator = RPN(
      spec, channels: backbone.channels, strides: backbone.strides, using: generator)
    roiHeads =
      spec.detector == .c4
      ? Res5ROIHeads(spec, stride: backbone.strides[0], norm: norm, using: generator)
      : StandardROIHeads(
        spec, channels: backbone.channels, strides: Array(backbone.strides.prefix(backbone.pooledLevels)),
        norm: norm, using: generator)
    proposalSampler = ProposalSampler(spec.roi, classes: spec.classes)
  }

  /// A batch of images, h×w×3 each, uint8 or levels 0 ... 255 of another type: normalised, moved to the detector's device,
  /// and padded.
  public func preprocess(_ images: [Tensor]) -> ImageBatch {
    let weight = roiHeads.boxPredictor.clsScore.weight.tensor
    return ImageBatch(
      images, mean: spec.pixelMean, std: spec.pixelStd, divisor: backbone.divisor,
      side: spec.detector == .vit ? spec.imageSize : nil, dtype: weight.dtype, on: weight.device)
  }

  /// Boxes, anchors and logits are float32, and float64 if the weights are.
  var boxType: DType { roiHeads.boxPredictor.clsScore.weight.tensor.dtype == .float64 ? .float64 : .float32 }

  /// The losses of a training step, with a graph.
  /// - Parameter sampler: chooses among positives and negatives.
  /// - Throws: ``NotFinite``.
  public func losses(_ images: ImageBatch, _ truth: [GroundTruth], sampler: Subsampler) throws
    -> DetectorLosses
  {
    precondition(
      truth.count == images.sizes.count, "the truth of \(truth.count) images for \(images.sizes.count)")
    let maps = backbone.maps(images.tensor)
    let outputs = proposalGenerator.outputs(maps, dtype: boxType)
    let rpn = proposalGenerator.losses(outputs, truth, sampler: sampler)
    let proposals = try proposalGenerator.proposals(outputs, images: images.sizes, isTraining: true)
    let regions = proposalSampler.sample(proposals, truth, sampler: sampler)
    return DetectorLosses(
      terms: headLosses(maps, regions, truth) + [
        ("loss_rpn_cls", rpn.classification), ("loss_rpn_loc", rpn.location),
      ],
      proposals: proposals.map { $0.boxes.shape.first ?? 0 }, sampled: regions.map(\.classes.count),
      foreground: regions.map(\.foreground))
  }

  private func headLosses(_ maps: [Tensor], _ regions: [SampledRegions], _ truth: [GroundTruth]) -> [(
    name: String, value: Tensor
  )] {
    if regions.contains(where: { !$0.classes.isEmpty }) { return roiHeads.losses(maps, regions, truth) }
    // No box at all: batch normalisation of nothing has no value.
    let names =
      ["loss_cls", "loss_box_reg"] + (spec.hasMasks ? ["loss_mask"] : [])
      + (spec.keypoints > 0 ? ["loss_keypoint"] : [])
    return names.map { ($0, roiHeads.zeroLoss) }
  }

  /// The objects in images, in pixels of the network's input, without a graph. The detector is in evaluation mode.
  public func detect(_ images: ImageBatch) throws -> [Instances] {
    precondition(
      !isTraining, "a detector in training mode normalises by the batch: train(false) before detect")
    return try withNoGrad {
      let maps = backbone.maps(images.tensor)
      let outputs = proposalGenerator.outputs(maps, dtype: boxType)
      let proposals = try proposalGenerator.proposals(outputs, images: images.sizes, isTraining: false)
      return roiHeads.detect(maps, proposals, images: images.sizes)
    }
  }
}

/// The losses of a step, and what they were computed of.
public struct DetectorLosses {
  /// By detectron2's names: `loss_cls`, `loss_box_reg`, `loss_mask`, `loss_keypoint`, `loss_rpn_cls`, `loss_rpn_loc`.
  public let terms: [(name: String, value: Tensor)]
  /// Of each image.
  public let proposals: [Int]
  public let sampled: [Int]
  public let foreground: [Int]

  /// The sum, which is learned from.
  public var total: Tensor { terms.dropFirst().reduce(terms[0].value) { $0 + $1.value } }
}
