import Foundation
import Testing
import TestSupport
import Torch
@testable import Models

@Suite struct TransferRPN {
  @Test func samplesLossesGradientsAndProposalsAreThePublished() throws {
    for each in Transfer.cases("rpn") {
      let rpn = network(each)
      let maps = each.features.list.map { u($0.salt.int ?? 0, $0.shape.ints) }
      for map in maps { map.requiresGrad = true }
      let images = each.image_sizes.list.map(\.pixels)
      let truth = each.gt_boxes.list.map { boxes in
        GroundTruth(boxes: boxes.rows(4), classes: .zeros([boxes.list.count], dtype: .int64))
      }
      let outputs = rpn.outputs(maps, dtype: .float64)
      expectSamples(rpn, outputs, truth, each)
      let (classification, location) = rpn.losses(outputs, truth, sampler: .first)
      expectClose(
        [classification.item(), location.item()],
        [each.losses.loss_rpn_cls.double ?? .nan, each.losses.loss_rpn_loc.double ?? .nan], 1e-10,
        scale: 1e-30,
        "losses")
      (classification + location).backward()
      for entry in rpn.state {
        expectDigest(entry.tensor.gradient ?? entry.tensor, each.gradients[entry.name], 1e-10, entry.name)
      }
      for (map, feature) in zip(maps, each.features.list) {
        let name = feature.name.string ?? ""
        expectDigest(map.gradient ?? map, each.gradients[name], 1e-10, name)
      }
      for (isTraining, expected) in [(true, each.proposals_train), (false, each.proposals_test)] {
        let found = try rpn.proposals(outputs, images: images, isTraining: isTraining)
        expectProposals(found, expected)
      }
    }
  }

  private func network(_ json: JSON) -> RPN {
    let sizes = json.generator.sizes.list.map(\.doubles)
    var spec = DetectorSpec(sizes.count > 1 ? .fpn : .c4, classes: 1)
    spec.anchors.sizes = sizes
    spec.anchors.aspectRatios = json.generator.aspect_ratios[0].doubles
    spec.anchors.offset = json.offset.double ?? 0
    spec.rpn = DetectorSpec.RPN(json, of: spec.rpn)
    let channels = json.features[0].shape.ints[1]
    let rpn = RPN(
      spec, channels: channels, strides: json.generator.strides.ints, using: Generator(seed: 1))
    rpn.convert(to: .float64)
    setParameters(
      json.parameters.list, of: Dictionary(uniqueKeysWithValues: rpn.state.map { ($0.name, $0.tensor) }))
    return rpn
  }

  private func expectSamples(_ rpn: RPN, _ outputs: RPN.Outputs, _ truth: [GroundTruth], _ json: JSON) {
    let anchors = Tensor.concatenated(rpn.anchorGenerator(outputs.sizes, dtype: .float64))
    for (image, truth) in truth.enumerated() {
      let expected = json.labels[image]
      let sample = rpn.sample(anchors, truth, image: image, sampler: .first)
      #expect(sample.positives == expected.positive.ints)
      #expect(sample.negatives.count == expected.negative.int)
      #expect(sample.negatives.reduce(0, +) == expected.negative_index_sum.int)
      #expect(
        anchors.shape[0] - sample.positives.count - sample.negatives.count == expected.ignored.int)
      let matched = truth.boxes.indexSelected(Tensor(sample.matches))
      expectClose(matched, json.matched_boxes_of_positives[image], 0, "boxes of positives")
    }
  }

  @Test func proposalsAreCutFilteredAndSuppressedALevel() throws {
    for file in Transfer.parts("proposals") {
      let images = file.image_sizes.list.map(\.pixels)
      func levels() -> (boxes: [Tensor], logits: [Tensor]) {
        (
          file.levels.list.map { level in .stacked(level.boxes.list.map { $0.rows(4) }) },
          file.levels.list.map { level in .stacked(level.logits.list.map { Tensor($0.doubles) }) }
        )
      }
      for each in Transfer.cases("proposals") {
        let (boxes, logits) = levels()
        let training = each.training.bool ?? false
        expectProposals(
          try select(
            DetectorSpec.RPN(each, of: DetectorSpec(.c4, classes: 1).rpn), training, boxes, logits, images),
          each.result)
      }
      let (boxes, logits) = levels()
      // As the file's sentence says it.
      Transfer.announce("proposals: \(file.not_finite.what.string ?? "")")
      withNoGrad {
        boxes[0].selected(0).selected(7).selected(2).fill(.nan)
        logits[1].selected(1).selected(3).fill(.infinity)
      }
      var rpn = DetectorSpec(.c4, classes: 1).rpn
      rpn.preNMSTopK = .init(training: 40, test: 40)
      rpn.postNMSTopK = .init(training: 12, test: 12)
      expectProposals(try select(rpn, false, boxes, logits, images), file.not_finite.result)
      if file.not_finite.training_refuses.bool == true {
        let error = try failure(NotFinite.self) { _ = try select(rpn, true, boxes, logits, images) }
        #expect(
          error.description
            == "the region proposal network's outputs are not finite: training has diverged. A smaller learning rate, a "
            + "longer warm-up, or float32 in place of bfloat16 may help.")
      }
    }
  }

  private func select(
    _ rpn: DetectorSpec.RPN, _ isTraining: Bool, _ boxes: [Tensor], _ logits: [Tensor], _ images: [Size2D]
  ) throws -> [Proposals] {
    let selection = ProposalSelection(rpn, isTraining: isTraining)
    let best = logits.map { selection.best($0) }
    let chosen = zip(boxes, best).map { boxes, best in
      let (count, k) = (best.places.shape[0], best.places.shape[1])
      return boxes.gathered(best.places.reshaped([count, k, 1]).expanded([count, k, 4]), dim: 1)
    }
    return try selection(boxes: chosen, logits: best.map(\.logits), images: images)
  }
}

func expectProposals(
  _ found: [Proposals], _ expected: JSON, tolerance: Double = 1e-10,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.list.count, sourceLocation: sourceLocation)
  for (found, expected) in zip(found, expected.list) {
    expectClose(found.boxes, expected.boxes, tolerance, "proposals", sourceLocation: sourceLocation)
    expectClose(found.logits, expected.logits, tolerance, "logits", sourceLocation: sourceLocation)
  }
}

extension DetectorSpec.RPN {
  /// The numbers of a case of the fixtures; those it lacks are `other`'s.
  init(_ json: JSON, of other: DetectorSpec.RPN) {
    self = other
    func limits(_ json: JSON, _ old: DetectorSpec.Limits) -> DetectorSpec.Limits {
      if let both = json.int { return .init(training: both, test: both) }
      return .init(training: json.train.int ?? old.training, test: json.test.int ?? old.test)
    }
    batchSizePerImage = json.batch_size_per_image.int ?? batchSizePerImage
    positiveFraction = json.positive_fraction.double ?? positiveFraction
    if !json.iou_thresholds.isNull { iouThresholds = json.iou_thresholds.doubles }
    preNMSTopK = limits(json.pre_nms_topk, preNMSTopK)
    postNMSTopK = limits(json.post_nms_topk, postNMSTopK)
    nmsThreshold = json.nms_thresh.double ?? nmsThreshold
    minBoxSize = json.min_box_size.double ?? minBoxSize
    smoothL1Beta = json.smooth_l1_beta.double ?? smoothL1Beta
  }
}
