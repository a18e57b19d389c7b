import Torch

/// The boxes of an image that the heads learn from: `foreground` objects, then background. They are in the CPU's memory.
struct SampledRegions {
  let boxes: Tensor  // R×4
  /// Of each box; the background is the last class.
  let classes: [Int]
  let foreground: Int
  /// The object in the truth that each foreground box has.
  let matches: [Int]

  /// The foreground boxes, F×4.
  var foregroundBoxes: Tensor { boxes.narrowed(0..<foreground) }
  var foregroundClasses: ArraySlice<Int> { classes.prefix(foreground) }

  /// Those of the foreground boxes with these places, and no others.
  func keeping(_ places: [Int]) -> SampledRegions {
    SampledRegions(
      boxes: boxes.indexSelected(Tensor(places)), classes: places.map { classes[$0] },
      foreground: places.count, matches: places.map { matches[$0] })
  }
}

/// Labels proposals by the truth and takes some of them (Girshick 2015, section 2.3).
struct ProposalSampler {
  let spec: DetectorSpec.ROI
  let classes: Int
  private let matcher: Matcher

  init(_ spec: DetectorSpec.ROI, classes: Int) {
    (self.spec, self.classes) = (spec, classes)
    matcher = Matcher(thresholds: [spec.iouThreshold], labels: [0, 1], allowsLowQuality: false)
  }

  /// - Parameters:
  ///   - proposals: of the images; the boxes of the truth are appended to them.
  ///   - truth: of the images.
  func sample(_ proposals: [Proposals], _ truth: [GroundTruth], sampler: Subsampler) -> [SampledRegions] {
    zip(proposals, truth).enumerated().map { image, pair in
      sample(pair.0.boxes, pair.1, image: image, sampler: sampler)
    }
  }

  private func sample(_ proposals: Tensor, _ truth: GroundTruth, image: Int, sampler: Subsampler)
    -> SampledRegions
  {
    let known = truth.boxes.to(proposals.dtype)  // M×4
    let boxes = truth.count > 0 ? Tensor.concatenated([proposals.to(.cpu), known]) : proposals.to(.cpu)
    let quality =
      truth.count > 0 ? boxIoU(known, boxes) : .zeros([0, boxes.shape.first ?? 0], dtype: boxes.dtype)
    let (matches, labels) = matcher(quality)
    let sides = labels.indices(positive: { $0 == 1 }, negative: { $0 == 0 })
    let (objects, background) = sampler.sample(
      positives: sides.positives, negatives: sides.negatives, count: spec.batchSizePerImage,
      positiveFraction: spec.positiveFraction, image: image, .proposalSampling)
    let owners = matches.indexSelected(Tensor(objects)).array(of: Int.self)
    let names = truth.classes.array(of: Int.self)
    return SampledRegions(
      boxes: boxes.indexSelected(Tensor(objects + background)),
      classes: owners.map { names[$0] } + background.map { _ in classes }, foreground: objects.count,
      matches: owners)
  }
}
