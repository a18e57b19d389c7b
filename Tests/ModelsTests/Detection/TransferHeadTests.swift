import Testing
import TestSupport
import Torch
@testable import Models

@Suite struct TransferHeads {
  @Test func boxHeadSamplesLossesAndDetectionsAreThePublished() throws {
    for each in Transfer.cases("fast-rcnn") {
      var spec = DetectorSpec(.c4, classes: each.num_classes.int ?? 0)
      spec.roi.batchSizePerImage = each.batch_size_per_image.int ?? 0
      spec.roi.positiveFraction = each.positive_fraction.double ?? 0
      spec.roi.smoothL1Beta = each.smooth_l1_beta.double ?? 0
      let truth = each.ground_truth.list.map { image in
        GroundTruth(boxes: image.boxes.rows(4), classes: Tensor(image.classes.ints))
      }
      let proposals = each.proposals.list.map { image -> Proposals in
        let boxes = image.rows(4)
        return Proposals(boxes: boxes, logits: .zeros([boxes.shape[0]], dtype: .float64))
      }
      let regions = ProposalSampler(spec.roi, classes: spec.classes).sample(proposals, truth, sampler: .first)
      expectRegions(regions, truth, each.sampled)

      func outputs(_ json: JSON) -> Tensor {
        let tensor = u(json.salt.int ?? 0, json.shape.ints) * (json.factor.double ?? 1)
        tensor.requiresGrad = true
        return tensor
      }
      let (logits, deltas) = (outputs(each.logits), outputs(each.deltas))
      let head = FastRCNN(spec)
      let (classification, box) = head.losses(logits: logits, deltas: deltas, regions, truth)
      expectClose(
        [classification.item(), box.item()],
        [each.losses.loss_cls.double ?? .nan, each.losses.loss_box_reg.double ?? .nan], 1e-11, "losses")
      (classification + box).backward()
      expectClose(
        logits.gradient ?? logits, each.gradients.logits, 1e-11, scale: 1e-2, "gradient of the logits")
      expectDigest(deltas.gradient ?? deltas, each.gradients.deltas, 1e-11, "gradient of the deltas")
      expectDetections(spec, logits, deltas, regions, each)
    }
  }

  private func expectRegions(_ regions: [SampledRegions], _ truth: [GroundTruth], _ expected: JSON) {
    for (image, region) in regions.enumerated() {
      let expected = expected[image]
      expectClose(region.boxes, expected.boxes, 0, "sampled boxes")
      #expect(region.classes == expected.classes.ints)
      guard !expected.gt_boxes.isNull else { continue }
      let matched = truth[image].boxes.indexSelected(Tensor(region.matches))
      expectClose(
        matched.array(of: Double.self), Array(expected.gt_boxes.doubles.prefix(4 * region.foreground)), 0,
        "objects of the sampled boxes")
    }
  }

  private func expectDetections(
    _ spec: DetectorSpec, _ logits: Tensor, _ deltas: Tensor, _ regions: [SampledRegions], _ json: JSON
  ) {
    for setting in json.inference.list {
      var spec = spec
      spec.test.scoreThreshold = setting.score_thresh.double ?? 0
      spec.test.nmsThreshold = setting.nms_thresh.double ?? 0
      spec.test.detectionsPerImage = setting.top.int ?? 0
      var start = 0
      for (image, expected) in setting.images.list.enumerated() {
        let rows = start..<start + regions[image].classes.count
        start = rows.upperBound
        let (found, places) = withNoGrad {
          FastRCNN(spec).detections(
            logits: logits.narrowed(rows), deltas: deltas.narrowed(rows), proposals: regions[image].boxes,
            in: json.image_size.pixels)
        }
        expectClose(found.boxes, expected.boxes, 1e-11, "boxes")
        expectClose(found.scores, expected.scores, 1e-11, "scores")
        #expect(found.classes.array(of: Int.self) == expected.classes.ints)
        #expect(places.array(of: Int.self) == expected["rows"].ints)
      }
    }
  }

  @Test func maskTargetsLossAndPastingAreThePublished() throws {
    for file in Transfer.parts("masks") {
      Transfer.announce("masks")
      let masks = file.polygons.list.map { InstanceMask.polygons($0.list.map(\.doubles)) }
      let boxes = file.boxes.rows(4)
      for side in file.targets.keys {
        let targets = maskTargets(masks, boxes: boxes, side: Int(side) ?? 0)
        let expected = file.targets[side].list.flatMap(\.strings).joined()
        #expect(
          targets.array(of: UInt8.self).map { $0 == 1 ? "1" : "0" }.joined() == expected, "side \(side)")
      }
      let loss = file.loss
      let logits = u(loss.logits.salt.int ?? 0, loss.logits.shape.ints) * (loss.logits.factor.double ?? 1)
      logits.requiresGrad = true
      let side = logits.shape[3]
      let value = maskLoss(
        logits, classes: loss.classes.ints, targets: maskTargets(masks, boxes: boxes, side: side))
      expectClose([value.item()], [loss.loss_mask.double ?? .nan], 1e-12, "loss_mask")
      value.backward()
      expectDigest(logits.gradient ?? logits, loss.gradient, 1e-11, "gradient of the mask logits")
      try expectPasted(file.paste)
    }
  }

  /// The formula of the soft masks is a sentence in the file.
  private func expectPasted(_ paste: JSON) throws {
    let boxes = paste.boxes.rows(4), size = paste.image.pixels, salt = paste.salt.int ?? 0
    let soft = (0..<boxes.shape[0]).map { k -> Tensor in
      let noise = u(salt + k, [28, 28]).array(of: Double.self)
      let values = (0..<28 * 28).map { i -> Double in
        let x = (Double(i % 28) - 13.5) / Double(8 + 2 * k), y = (Double(i / 28) - 13.5) / Double(13 - 2 * k)
        return min(max(0.5 + 0.6 * (1 - x * x - y * y) + 0.15 * noise[i], 0), 1)
      }
      return Tensor(values, shape: [28, 28])
    }
    let found = Instances(
      size: size, boxes: boxes, scores: .ones([boxes.shape[0]], dtype: .float64),
      classes: .zeros([boxes.shape[0]], dtype: .int64), masks: .stacked(soft))
    let pasted = try #require(found.pastedMasks(threshold: paste.threshold.double ?? 0.5))
    for (row, expected) in paste.rle.list.enumerated() {
      let truth = try RunLengthMask(expected)
      #expect(pasted.selected(row).array(of: UInt8.self) == truth.bitmap(), "mask \(row)")
    }
  }

  @Test func keypointTargetsLossAndDecodingAreThePublished() {
    for file in Transfer.parts("keypoints") {
      Transfer.announce("keypoints")
      let count = file.num_keypoints.int ?? 0, side = file.side.int ?? 0
      let boxes = file.boxes.rows(4)
      let points = Tensor(file.keypoints.doubles, shape: [boxes.shape[0], count, 3])
      let targets = KeypointTargets(points, boxes: boxes, side: side)
      #expect(targets.cells.array(of: Int.self) == file.cell.list.flatMap(\.ints))
      #expect(targets.isValid.to(.int64).array(of: Int.self) == file.valid.list.flatMap(\.ints))
      let logits =
        u(file.logits.salt.int ?? 0, file.logits.shape.ints) * (file.logits.factor.double ?? 1)
      logits.requiresGrad = true
      let loss = keypointLoss(logits, [targets])
      expectClose([loss.item()], [file.loss_normalised_by_visible.double ?? .nan], 1e-12, "mean over visible")
      let hundredth = keypointLoss(logits, [targets], normalizer: 100)
      expectClose([hundredth.item()], [file.loss_divided_by_100.double ?? .nan], 1e-12, "a hundredth")
      loss.backward()
      expectDigest(logits.gradient ?? logits, file.gradient, 1e-11, "gradient of the heat maps")
      let decoded = withNoGrad {
        decodeKeypoints(logits.detached(), boxes: file.inference.boxes.rows(4))
      }
      expectClose(decoded, file.inference.keypoints_x_y_score, 1e-10, scale: 1e-3, "decoded keypoints")
    }
  }

  @Test func recomputedStatisticsAreThePopulations() {
    for file in Transfer.parts("precise-bn") {
      Transfer.announce("precise-bn")
      let (first, second) = (
        Conv2d(2, 4, kernel: 3, bias: true, using: Generator(seed: 1)),
        Conv2d(4, 3, kernel: 3, stride: 2, bias: true, using: Generator(seed: 1))
      )
      let network = Sequential(first, BatchNorm2d(4), ReLU(), second, BatchNorm2d(3))
      network.convert(to: .float64)
      let tensors = Dictionary(uniqueKeysWithValues: network.state.map { ($0.name, $0.tensor) })
      setParameters(file.parameters.list, of: tensors)
      let batches = file.batches.list.map { u($0.salt.int ?? 0, $0.shape.ints) * ($0.factor.double ?? 1) }
      _ = withNoGrad { network(batches[0]) }
      let before = file.before_after_one_training_forward_of_batch_0
      for name in before.keys { expectClose(tensors[name] ?? .zeros([]), before[name], 1e-12, name) }
      let precise = PreciseBatchNorm(network)
      for batch in batches { _ = precise.observe { network(batch) } }
      precise.finish()
      for name in file.precise.keys {
        expectClose(tensors[name] ?? .zeros([]), file.precise[name], 1e-12, name)
      }
      #expect(tensors["1.num_batches_tracked"]?.item() == 1)
    }
  }
}

extension RunLengthMask {
  init(_ json: JSON) throws {
    let size = json.size.pixels
    try self.init(compressed: Array((json.counts.string ?? "").utf8), height: size.height, width: size.width)
  }
}
