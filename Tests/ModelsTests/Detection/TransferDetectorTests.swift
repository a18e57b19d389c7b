import Foundation
import Testing
import TestSupport
import Torch
@testable import Models

/// Whole detectors, three training steps, PreciseBN and a test, against detectron2 0.6 in float64.
@Suite struct TransferDetectors {
  /// Losses of every step within 1e-8 of themselves, norms and objects within 1e-8 and 1e-6: two correct programs agree to
  /// about 1e-12, and a wrong rule is off by more than 1e-3.
  @Test func trainingStepsAndDetectionsAreThePublished() throws {
    for file in Transfer.detectors {
      Transfer.announce(
        "\(file.case.string ?? "") (\(file.model.detector.string ?? "") of depth \(file.model.depth.int ?? 0))"
      )
      let detector = DetectorCase(file)
      detector.expectFirstStep()
      try detector.expectTrainingSteps()
      try detector.expectPreciseStatistics()
      try detector.expectDetections()
    }
  }

  @Test func everyTensorHasDetectron2sName() {
    for file in Transfer.detectors {
      let tensors = GeneralizedRCNN(DetectorSpec(file), using: .shapesOnly).tensorSpecs
      let names = tensors.map { GeneralizedRCNN.detectron2Name(of: $0.name) }
      #expect(Set(names).count == names.count)
      let parameters = Dictionary(
        uniqueKeysWithValues: file.parameters.list.map { ($0[0].string ?? "", $0[1].ints) })
      let buffers = ["running_mean", "running_var", "num_batches_tracked"]
      let learned = zip(names, tensors).filter { name, _ in !buffers.contains { name.hasSuffix($0) } }
      #expect(Set(learned.map(\.0)) == Set(parameters.keys))
      for (name, tensor) in learned { #expect(parameters[name] == tensor.shape, "\(name)") }
      let all = names.filter { !$0.hasSuffix("num_batches_tracked") }
      #expect(Set(all) == Set(file.final.norms.keys))
    }
  }
}

extension DetectorSpec {
  /// The detector of a fixture; what it does not say is the published default, and FPN has no norms unless it says so.
  init(_ file: JSON) {
    let model = file.model
    self.init(
      Detector(rawValue: model.detector.string ?? "") ?? .c4,
      arch: Architecture(rawValue: "resnet\(model.depth.int ?? 0)") ?? .resnet50,
      classes: model.num_classes.int ?? 1, masks: model.mask.bool ?? false,
      keypoints: model.keypoints.int ?? 0)
    fpn.channels = model.fpn_channels.int ?? fpn.channels
    fpn.hasNorm = model.fpn_norm.bool ?? false
    boxHead.size = model.fc_dim.int ?? boxHead.size
    maskHead.channels = model.mask_dim.int ?? maskHead.channels
    maskHead.hasNorm = model.mask_norm.bool ?? false
    keypointHead.channels = model.keypoint_dim.int ?? keypointHead.channels
    (pixelMean, pixelStd) = (file.pixel_mean.doubles, file.pixel_std.doubles)
    rpn = RPN(file.rpn, of: rpn)
    roi.batchSizePerImage = file.roi.batch_size_per_image.int ?? roi.batchSizePerImage
    roi.positiveFraction = file.roi.positive_fraction.double ?? roi.positiveFraction
    roi.iouThreshold = file.roi.iou_threshold.double ?? roi.iouThreshold
    roi.boxWeights = file.roi.box_weights.doubles
    roi.smoothL1Beta = file.roi.smooth_l1_beta.double ?? 0
    test.scoreThreshold = file.test.score_thresh.double ?? test.scoreThreshold
    test.nmsThreshold = file.test.nms_thresh.double ?? test.nmsThreshold
    test.detectionsPerImage = file.test.detections_per_image.int ?? test.detectionsPerImage
    test.maskThreshold = file.test.mask_threshold.double ?? test.maskThreshold
  }
}

/// A detector of a fixture, and what the fixture says of it.
private struct DetectorCase {
  let file: JSON
  let model: GeneralizedRCNN
  let truth: [GroundTruth]
  /// By detectron2's names.
  let tensors: [String: Tensor]

  init(_ file: JSON) {
    self.file = file
    model = Self.network(file)
    tensors = Self.tensors(model)
    truth = file.ground_truth.list.map { image in
      let count = image.boxes.list.count
      return GroundTruth(
        boxes: image.boxes.rows(4), classes: Tensor(image.classes.ints),
        masks: image.polygons.list.map { .polygons($0.list.map(\.doubles)) },
        keypoints: image.keypoints.isNull
          ? nil : Tensor(image.keypoints.doubles, shape: [count, image.keypoints[0].list.count, 3]))
    }
  }

  private static func network(_ file: JSON) -> GeneralizedRCNN {
    let model = GeneralizedRCNN(DetectorSpec(file), using: Generator(seed: 1))
    model.convert(to: .float64)
    setParameters(file.parameters.list, of: tensors(model))
    return model
  }

  private static func tensors(_ model: GeneralizedRCNN) -> [String: Tensor] {
    Dictionary(
      uniqueKeysWithValues: model.state.map { (GeneralizedRCNN.detectron2Name(of: $0.name), $0.tensor) })
  }

  private func images(_ salts: JSON) -> ImageBatch {
    let images = zip(salts.ints, file.ground_truth.list).map { salt, image in
      let size = image.size.pixels
      return (u(salt, [3, size.height, size.width]) * 100 + 128).permuted([1, 2, 0])
    }
    return model.preprocess(images)
  }

  private var name: String { file.case.string ?? "" }

  /// On a copy, because this computes some layers alone.
  func expectFirstStep() {
    let model = Self.network(file), first = file.first_step
    let batch = images(file.image_salts[0])
    #expect(batch.tensor.shape == [truth.count, 3] + file.padded.ints, "\(name)")
    let maps = model.backbone.maps(batch.tensor)
    #expect(maps.count == first.features.keys.count)
    for (map, level) in zip(maps, first.features.keys) {
      expectDigest(map, first.features[level], 1e-10, "\(name) \(level)")
    }
    let heads = maps.map { model.proposalGenerator.rpnHead.predict($0) }
    for (level, head) in heads.enumerated() {
      expectDigest(head.objectness, first.rpn_head.objectness[level], 1e-9, "\(name) objectness \(level)")
      expectDigest(head.deltas, first.rpn_head.deltas[level], 1e-9, "\(name) deltas \(level)")
    }
    let outputs = RPN.Outputs(heads, dtype: .float64)
    guard
      let proposals = try? model.proposalGenerator.proposals(outputs, images: batch.sizes, isTraining: true)
    else {
      Issue.record("\(name): no proposals")
      return
    }
    expectProposals(proposals, first.proposals, tolerance: 1e-9)
    let sampler = ProposalSampler(model.spec.roi, classes: model.spec.classes)
    let regions = sampler.sample(proposals, truth, sampler: .first)
    for (region, expected) in zip(regions, first.sampled.list) {
      expectClose(region.boxes, expected.boxes, 1e-9, "\(name) sampled boxes")
      #expect(region.classes == expected.classes.ints)
    }
    let (logits, deltas) = model.roiHeads.boxPredictor.predict(
      model.roiHeads.boxFeatures(maps, boxes: regions.map(\.boxes)))
    expectDigest(logits, first.box_predictor.logits, 1e-9, "\(name) logits")
    expectDigest(deltas, first.box_predictor.deltas, 1e-9, "\(name) box deltas")
  }

  func expectTrainingSteps() throws {
    let solver = file.solver
    let isNorm = { (name: String) in name.contains(".norm.") }
    let learned = model.namedParameters.map { (GeneralizedRCNN.detectron2Name(of: $0.name), $0.tensor) }
    let optimizers = [false, true].map { norms in
      SGD(
        learned.filter { isNorm($0.0) == norms }.map(\.1), momentum: solver.momentum.double ?? 0,
        weightDecay: (norms ? solver.weight_decay_norm : solver.weight_decay).double ?? 0)
    }
    for (step, expected) in file.steps.list.enumerated() {
      let losses = try model.losses(images(file.image_salts[step]), truth, sampler: .first)
      let names = expected.keys.filter { $0.hasPrefix("loss_") }
      #expect(losses.terms.map(\.name).sorted() == names)
      for (term, value) in losses.terms {
        expectClose(
          [value.item()], [expected[term].double ?? .nan], 1e-8, scale: 1e-30, "\(name) step \(step) \(term)")
      }
      #expect(losses.proposals == expected.proposals.ints)
      #expect(losses.sampled == expected.sampled.ints)
      #expect(losses.foreground == expected.foreground.ints)
      losses.total.backward()
      if step == 0 { expectGradients(learned) }
      for optimizer in optimizers { optimizer.step(learningRate: expected.lr.double ?? 0) }
    }
    expectNorms(file.final.norms, 1e-8)
  }

  private func expectGradients(_ learned: [(String, Tensor)]) {
    let norms = file.first_step.gradient_norms
    #expect(Set(learned.map(\.0)) == Set(norms.keys))
    for (parameter, tensor) in learned {
      // A bias before batch normalisation or a softmax has the gradient 0 but for rounding, about 1e-16.
      expectClose(
        [tensor.gradient?.norm().item() ?? .nan], [norms[parameter].double ?? .nan], 1e-8, scale: 1e-7,
        "\(name) gradient of \(parameter)")
    }
  }

  private func expectNorms(_ norms: JSON, _ tolerance: Double) {
    for tensor in norms.keys {
      expectClose(
        [tensors[tensor]?.norm().item() ?? .nan], [norms[tensor].double ?? .nan], tolerance, scale: 1e-10,
        "\(name) \(tensor)")
    }
  }

  func expectPreciseStatistics() throws {
    guard !file.precise_bn.isNull else { return }
    let precise = PreciseBatchNorm(model)
    for step in 0..<(file.precise_bn.iterations.int ?? 0) {
      _ = try precise.observe {
        try model.losses(images(file.image_salts[step % file.image_salts.list.count]), truth, sampler: .first)
      }
    }
    precise.finish()
    expectNorms(file.precise_bn.norms, 1e-6)
  }

  func expectDetections() throws {
    model.train(false)
    let found = try model.detect(images(file.test_image_salts))
    for (image, expected) in file.inference.list.enumerated() {
      let instances = found[image].scaled(to: file.test.output_sizes[image].pixels)
      expectClose(instances.boxes, expected.boxes, 1e-6, "\(name) boxes")
      expectClose(instances.scores, expected.scores, 1e-6, "\(name) scores")
      #expect(instances.classes.array(of: Int.self) == expected.classes.ints, "\(name)")
      if !expected.masks.isNull { try expectMasks(instances, expected.masks) }
      if !expected.keypoints.isNull {
        let points = try #require(instances.keypoints)
        expectClose(points, expected.keypoints, 1e-6, "\(name) keypoints")
      }
    }
  }

  /// Two pixels may lie on the threshold.
  private func expectMasks(_ instances: Instances, _ expected: JSON) throws {
    let masks = try #require(instances.pastedMasks(threshold: model.spec.test.maskThreshold))
    #expect(masks.shape[0] == expected.list.count)
    for (row, expected) in expected.list.enumerated() {
      let own = masks.selected(row).array(of: UInt8.self), truth = try RunLengthMask(expected).bitmap()
      #expect(own.count == truth.count && zip(own, truth).count { $0 != $1 } <= 2, "\(name) mask \(row)")
    }
  }
}
