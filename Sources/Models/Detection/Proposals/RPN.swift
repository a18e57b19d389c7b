import Torch

/// The region proposal network (Ren et al. 2015): which anchors hold an object, and how to move them onto it.
public final class RPN: Module {
  let rpnHead: RPNHead
  public let anchorGenerator: AnchorGenerator
  let spec: DetectorSpec.RPN
  let transform = Box2BoxTransform()
  let matcher: Matcher

  init(_ spec: DetectorSpec, channels: Int, strides: [Int], using generator: Generator) {
    anchorGenerator = AnchorGenerator(spec.anchors, strides: strides)
    rpnHead = RPNHead(channels, anchors: anchorGenerator.anchorsPerPlace, using: generator)
    self.spec = spec.rpn
    matcher = Matcher(thresholds: spec.rpn.iouThresholds, labels: [0, -1, 1], allowsLowQuality: true)
  }

  /// The head's outputs, level by level, n = H·W·A anchors a level in the order of ``AnchorGenerator``.
  struct Outputs {
    let logits: [Tensor]  // N×n
    let deltas: [Tensor]  // N×n×4
    let sizes: [Size2D]

    /// - Parameter maps: of each level, N×A×H×W and N×4A×H×W.
    init(_ maps: [(objectness: Tensor, deltas: Tensor)], dtype: DType) {
      sizes = maps.map { map in
        map.objectness.isDefined
          ? Size2D(height: map.objectness.shape[2], width: map.objectness.shape[3]) : 1
      }
      func flat(_ map: Tensor, _ sizes: [Int]) -> Tensor {
        guard map.isDefined else { return map }
        return map.to(dtype).permuted([0, 2, 3, 1]).reshaped([map.shape[0], -1] + sizes)
      }
      logits = maps.map { flat($0.objectness, []) }
      deltas = maps.map { flat($0.deltas, [4]) }
    }
  }

  /// - Parameters:
  ///   - maps: the levels, N×C×H×W each.
  ///   - dtype: of logits and boxes.
  func outputs(_ maps: [Tensor], dtype: DType) -> Outputs {
    Outputs(maps.map { rpnHead.predict($0) }, dtype: dtype)
  }

  // MARK: - Losses

  /// The anchors of an image that the losses take.
  struct Sample {
    let positives: [Int]
    let negatives: [Int]
    /// The object of each positive.
    let matches: [Int]
  }

  /// - Parameters:
  ///   - anchors: of all levels, n×4.
  ///   - truth: of image `image` of the batch.
  func sample(_ anchors: Tensor, _ truth: GroundTruth, image: Int, sampler: Subsampler) -> Sample {
    let quality =
      truth.count > 0
      ? boxIoU(truth.boxes.to(anchors.dtype), anchors) : .zeros([0, anchors.shape[0]], dtype: anchors.dtype)
    let (matches, labels) = matcher(quality)  // n each
    let sides = labels.indices(positive: { $0 == 1 }, negative: { $0 == 0 })
    let (positives, negatives) = sampler.sample(
      positives: sides.positives, negatives: sides.negatives, count: spec.batchSizePerImage,
      positiveFraction: spec.positiveFraction, image: image, .anchorSampling)
    return Sample(
      positives: positives, negatives: negatives,
      matches: matches.indexSelected(Tensor(positives)).array(of: Int.self))
  }

  /// Cross-entropy of the sampled anchors and L1 of the positives' deltas, each divided by the sample's nominal size.
  func losses(_ outputs: Outputs, _ truth: [GroundTruth], sampler: Subsampler) -> (
    classification: Tensor, location: Tensor
  ) {
    guard let first = outputs.logits.first, first.isDefined else { return (Tensor.zeros([]), .zeros([])) }
    let (dtype, device) = (first.dtype, first.device)
    // Boxes of the truth are on the CPU, and so is all of this: a GPU works on the image meanwhile.
    let anchors = Tensor.concatenated(anchorGenerator(outputs.sizes, dtype: dtype))  // n×4
    let count = anchors.shape[0]
    let samples = truth.enumerated().map { image, truth in
      sample(anchors, truth, image: image, sampler: sampler)
    }
    func rows(_ list: (Sample) -> [Int]) -> [Int] {
      samples.enumerated().flatMap { image, sample in list(sample).map { image * count + $0 } }
    }
    let positives = rows(\.positives), negatives = rows(\.negatives)
    let logits = Tensor.concatenated(outputs.logits, dim: 1).reshaped([-1])
      .indexSelected(Tensor(positives + negatives, on: device))  // S
    let labels = Tensor.concatenated([
      .ones([positives.count], dtype: dtype, on: device), .zeros([negatives.count], dtype: dtype, on: device),
    ])
    let targets = zip(samples, truth).map { sample, truth in
      transform.encode(
        truth.boxes.to(dtype).indexSelected(Tensor(sample.matches)),
        of: anchors.indexSelected(Tensor(sample.positives)))
    }
    let deltas = Tensor.concatenated(outputs.deltas, dim: 1).reshaped([-1, 4])
      .indexSelected(Tensor(positives, on: device))  // P×4
    let scale = 1 / Double(spec.batchSizePerImage * truth.count)
    return (
      binaryCrossEntropyWithLogits(logits, labels) * scale,
      smoothL1(deltas, Tensor.concatenated(targets).to(device), beta: spec.smoothL1Beta) * scale
    )
  }

  // MARK: - Proposals

  /// The best boxes of each image, by falling logit. No gradient goes through them.
  /// - Throws: ``NotFinite`` in training.
  func proposals(_ outputs: Outputs, images: [Size2D], isTraining: Bool) throws -> [Proposals] {
    guard let first = outputs.logits.first, first.isDefined else { return images.map { _ in .none } }
    let selection = ProposalSelection(spec, isTraining: isTraining)
    return try withNoGrad {
      let anchors = anchorGenerator(outputs.sizes, dtype: first.dtype, on: first.device)
      var boxes: [Tensor] = []
      var logits: [Tensor] = []
      for level in anchors.indices {
        let (best, places) = selection.best(outputs.logits[level])  // N×k
        let flat = places.reshaped([-1])
        let (count, k) = (places.shape[0], places.shape[1])
        let deltas = outputs.deltas[level].gathered(
          places.reshaped([count, k, 1]).expanded([count, k, 4]), dim: 1)
        let moved = transform.decode(deltas.reshaped([-1, 4]), of: anchors[level].indexSelected(flat))
        boxes.append(moved.reshaped([count, k, 4]))
        logits.append(best)
      }
      return try selection(boxes: boxes, logits: logits, images: images)
    }
  }
}

extension Tensor {
  /// The places in a vector of int64 where one or the other holds, in one pass. Waits for the device.
  func indices(positive: (Int64) -> Bool, negative: (Int64) -> Bool) -> (positives: [Int], negatives: [Int]) {
    withUnsafeBytes { bytes in
      var (positives, negatives): ([Int], [Int]) = ([], [])
      let values = bytes.bindMemory(to: Int64.self)
      var place = 0
      while place < values.count {  // not a range: slow in builds without optimisation
        if positive(values[place]) {
          positives.append(place)
        } else if negative(values[place]) {
          negatives.append(place)
        }
        place += 1
      }
      return (positives, negatives)
    }
  }
}
