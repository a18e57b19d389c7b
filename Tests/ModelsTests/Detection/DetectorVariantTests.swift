import Foundation
import Testing
import TestSupport
import Torch
@testable import Models

/// Detectors beyond the published numbers: by shapes and finite losses.
@Suite struct DetectorVariants {
  private static func small(
    _ detector: DetectorSpec.Detector, _ arch: Architecture = .resnet18, masks: Bool = false,
    keypoints: Int = 0, _ change: (inout DetectorSpec) -> Void = { _ in }
  ) -> DetectorSpec {
    var spec = DetectorSpec(detector, arch: arch, classes: 3, masks: masks, keypoints: keypoints)
    spec.rpn.postNMSTopK = .init(training: 20, test: 10)
    spec.roi.batchSizePerImage = 16
    (spec.boxHead.size, spec.fpn.channels, spec.maskHead.channels) = (16, 16, 8)
    spec.keypointHead.channels = 8
    spec.test.scoreThreshold = 0
    change(&spec)
    return spec
  }

  static let specs: [DetectorSpec] = [
    small(.c4, masks: true),
    small(.c4, .resnet34),
    small(.c4, .resnet101) { $0.roi.isClassAgnostic = true },
    small(.dc5, masks: true, keypoints: 4),
    small(.fpn, masks: true) { $0.fpn.hasNorm = false },
    small(.fpn, masks: true) {
      ($0.boxHead.convolutions, $0.boxHead.linears, $0.boxHead.hasNorm, $0.boxHead.channels) = (4, 1, true, 8)
      $0.maskHead.hasNorm = true
    },
    small(.fpn, keypoints: 4) { ($0.norm, $0.freezeAt) = (.frozen, 2) },
    small(.vit, .vitSmall, masks: true) { $0.imageSize = 64 },
  ]

  private func images() -> [Tensor] {
    [[60, 48, 3], [50, 64, 3]].map { .uniform($0, low: 0, high: 255, using: Generator(seed: 3)).to(.uint8) }
  }

  private func truth(_ spec: DetectorSpec) -> [GroundTruth] {
    let boxes = [4.0, 6, 30, 40, 20, 10, 44, 44]
    let polygon = InstanceMask.polygons([[5, 7, 29, 7, 29, 39, 5, 39]])
    let runs = InstanceMask.runLengths(
      RunLengthMask(polygons: [[21, 11, 43, 11, 30, 43]], height: 60, width: 64))
    let points = (0..<2 * spec.keypoints).flatMap { place -> [Double] in [22, Double(12 + place), 2] }
    return [
      GroundTruth(
        boxes: Tensor(boxes, shape: [2, 4]), classes: Tensor([0, 2]),
        masks: spec.hasMasks ? [polygon, runs] : [],
        keypoints: spec.keypoints > 0 ? Tensor(points, shape: [2, spec.keypoints, 3]) : nil),
      GroundTruth(
        boxes: .zeros([0, 4]), classes: .zeros([0], dtype: .int64),
        keypoints: spec.keypoints > 0 ? .zeros([0, spec.keypoints, 3]) : nil),
    ]
  }

  @Test(arguments: specs.indices) func everyVariantLearnsAndDetects(index: Int) throws {
    let spec = Self.specs[index]
    let model = GeneralizedRCNN(spec, using: Generator(seed: 1))
    let batch = model.preprocess(images())
    let losses = try model.losses(batch, truth(spec), sampler: Subsampler(seed: 1, step: 0))
    let names =
      ["loss_cls", "loss_box_reg"] + (spec.hasMasks ? ["loss_mask"] : [])
      + (spec.keypoints > 0 ? ["loss_keypoint"] : []) + ["loss_rpn_cls", "loss_rpn_loc"]
    #expect(losses.terms.map(\.name) == names)
    for (name, value) in losses.terms { #expect(value.item().isFinite, "\(name)") }
    #expect(losses.sampled.allSatisfy { (1...16).contains($0) })
    #expect(losses.foreground[0] > 0 && losses.foreground[1] == 0)
    losses.total.backward()
    for entry in model.namedParameters {
      #expect(entry.tensor.gradient?.isAllFinite() == true, "\(entry.name)")
    }
    model.train(false)
    for (image, found) in zip(images(), try model.detect(batch)) {
      #expect(found.size == Size2D(height: image.shape[0], width: image.shape[1]))
      let count = found.count
      #expect(count > 0 && found.scores.shape == [count] && found.classes.shape == [count])
      let side = spec.detector == .c4 ? 14 : 28
      #expect(found.masks?.shape == (spec.hasMasks ? [count, side, side] : nil))
      #expect(found.keypoints?.shape == (spec.keypoints > 0 ? [count, spec.keypoints, 3] : nil))
    }
  }

  @Test(arguments: specs.indices) func aSpecSurvivesJSONAndNamesAreUnique(index: Int) throws {
    let spec = Self.specs[index]
    #expect(try JSONDecoder().decode(DetectorSpec.self, from: JSONEncoder().encode(spec)) == spec)
    let names = GeneralizedRCNN(spec, using: .shapesOnly).tensorSpecs.map(\.name)
    #expect(Set(names.map { GeneralizedRCNN.detectron2Name(of: $0) }).count == names.count)
  }

  /// Neither objects nor boxes: all losses are 0 or finite, and every parameter has a gradient, which optimizers need.
  @Test(arguments: [DetectorSpec.Detector.c4, .fpn]) func imagesWithoutObjectsTrain(
    detector: DetectorSpec.Detector
  ) throws {
    let spec = Self.small(detector, masks: true) { $0.rpn.minBoxSize = 1e4 }  // so no proposal either
    let model = GeneralizedRCNN(spec, using: Generator(seed: 1))
    let empty = GroundTruth(boxes: .zeros([0, 4]), classes: .zeros([0], dtype: .int64))
    let losses = try model.losses(model.preprocess(images()), [empty, empty], sampler: .first)
    #expect(losses.sampled == [0, 0])
    #expect(
      losses.terms.map(\.name) == ["loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"])
    #expect(losses.terms.allSatisfy { $0.value.item().isFinite })
    losses.total.backward()
    #expect(model.namedParameters.allSatisfy { $0.tensor.gradient != nil })
    model.train(false)
    #expect(try model.detect(model.preprocess(images())).map(\.count) == [0, 0])
  }

  @Test func imagesArePaddedBelowAndOnTheRight() {
    let c4 = GeneralizedRCNN(Self.small(.c4), using: Generator(seed: 1)).preprocess(images())
    #expect(c4.tensor.shape == [2, 3, 60, 64] && c4.sizes == [[60, 48], [50, 64]])
    let fpn = GeneralizedRCNN(Self.small(.fpn), using: Generator(seed: 1))
    let gray = Tensor.full(123.675, [33, 20, 3])
    let batch = fpn.preprocess([gray])
    #expect(batch.tensor.shape == [1, 3, 64, 32])
    let red = batch.tensor.selected(0).selected(0).array(of: Float.self)
    #expect(red.allSatisfy { $0 == 0 })  // the mean, and padding after the normalisation
    let blue = batch.tensor.selected(0).selected(2)
    #expect(abs(blue.selected(0).selected(0).item() - (123.675 - 103.53) / 57.375) < 1e-6)
    #expect(blue.selected(33).selected(0).item() == 0 && blue.selected(0).selected(20).item() == 0)
  }

  /// detectron2's rules: N(0, 0.01²) in the RPN and the class score, N(0, 0.001²) for boxes and masks, "Xavier" in FPN and
  /// linear layers, He's normal with fan-out else; biases 0.
  @Test func initialWeightsAreThePublished() {
    let model = GeneralizedRCNN(
      DetectorSpec(.fpn, arch: .resnet18, classes: 80, masks: true), using: Generator(seed: 1))
    let tensors = Dictionary(
      uniqueKeysWithValues: model.state.map { (GeneralizedRCNN.detectron2Name(of: $0.name), $0.tensor) })
    func deviation(_ name: String) -> Double {
      guard let tensor = tensors[name] else { return .nan }
      return tensor.norm().item() / Double(tensor.count).squareRoot()
    }
    func inverseRoot(_ count: Int) -> Double { 1 / Double(count).squareRoot() }
    let he = 2.0.squareRoot()
    let expected: [(String, Double)] = [
      ("proposal_generator.rpn_head.conv.weight", 0.01),
      ("proposal_generator.rpn_head.anchor_deltas.weight", 0.01),
      ("roi_heads.box_predictor.cls_score.weight", 0.01),
      ("roi_heads.box_predictor.bbox_pred.weight", 0.001),
      ("roi_heads.mask_head.predictor.weight", 0.001),
      ("roi_heads.mask_head.mask_fcn2.weight", he * inverseRoot(256 * 9)),
      ("roi_heads.mask_head.deconv.weight", he * inverseRoot(256 * 4)),
      ("roi_heads.box_head.fc1.weight", inverseRoot(256 * 49)),
      ("backbone.fpn_lateral3.weight", inverseRoot(128)),
      ("backbone.fpn_output3.weight", inverseRoot(256 * 9)),
    ]
    for (name, expected) in expected {
      // Of at least 3,000 draws: four standard errors are below 6 %.
      #expect(abs(deviation(name) / expected - 1) < 0.06, "\(name): \(deviation(name))")
    }
    for (name, tensor) in tensors where name.hasSuffix("bias") {
      #expect(tensor.norm().item() == 0, "\(name)")
    }
  }
}

@Suite struct Subsampling {
  private func draw(_ sampler: Subsampler, image: Int = 0) -> [Int] {
    let (positives, negatives) = sampler.sample(
      positives: Array(0..<100), negatives: Array(100..<1000), count: 64, positiveFraction: 0.25,
      image: image,
      .anchorSampling)
    #expect(positives.count == 16 && negatives.count == 48)
    #expect(positives.allSatisfy { $0 < 100 } && negatives.allSatisfy { $0 >= 100 })
    #expect(Set(positives + negatives).count == 64)
    return positives + negatives
  }

  @Test func drawsDependOnSeedStepAndPlaceOnly() {
    let base = draw(Subsampler(seed: 1, step: 5))
    #expect(base == draw(Subsampler(seed: 1, step: 5)))
    #expect(base != draw(Subsampler(seed: 2, step: 5)))
    #expect(base != draw(Subsampler(seed: 1, step: 6)))
    #expect(base != draw(Subsampler(seed: 1, step: 5), image: 1))
    // The second image of a step on a rank of its own.
    #expect(draw(Subsampler(seed: 1, step: 5), image: 1) == draw(Subsampler(seed: 1, step: 5, places: [1])))
  }

  @Test func negativesFillUpMissingPositives() {
    let (positives, negatives) = Subsampler(seed: 1, step: 0).sample(
      positives: [3], negatives: Array(10..<100), count: 64, positiveFraction: 0.5, image: 0, .anchorSampling)
    #expect(positives == [3] && negatives.count == 63)
    let all = Subsampler.first.sample(
      positives: [1, 2, 3], negatives: [7], count: 4, positiveFraction: 0.5, image: 0, .anchorSampling)
    #expect(all.positives == [1, 2] && all.negatives == [7])
  }

  /// Each of four is among two drawn in half of 2000 draws; 80 is 3.6 standard deviations.
  @Test func everyElementIsAsLikely() {
    var counts = [0, 0, 0, 0]
    for step in 0..<2000 {
      let drawn = Subsampler(seed: 9, step: step).sample(
        positives: [0, 1, 2, 3], negatives: [], count: 2, positiveFraction: 1, image: 0, .proposalSampling)
      for each in drawn.positives { counts[each] += 1 }
    }
    #expect(counts.allSatisfy { abs($0 - 1000) < 80 })
  }
}

@Suite struct DetectorSpecs {
  @Test func impossibleValuesAreNamed() {
    func expect(_ text: String?, _ change: (inout DetectorSpec) -> Void) {
      var spec = DetectorSpec(.fpn, classes: 20)
      change(&spec)
      #expect(spec.problem == text)
    }
    expect(nil) { _ in }
    expect("classes 0: 1 to 1048576.") { $0.classes = 0 }
    expect("freeze-at 6: 0 (nothing) to 5 (all stages).") { $0.freezeAt = 6 }
    expect("arch resnet20: detectors need the four stages of resnet18 to resnet152.") { $0.arch = .resnet20 }
    expect("arch vit_small: a vision transformer has one map; the detector for it is vit.") {
      $0.arch = .vitSmall
    }
    expect("arch resnet50: the detector vit needs a vision transformer.") { $0.detector = .vit }
    expect("anchor-sizes of 1 levels: the detector fpn has 5; give sizes for each.") {
      $0.anchors.sizes = [[32]]
    }
    expect("rpn iou-thresholds [0.7, 0.3]: two numbers from 0 to 1, rising.") {
      $0.rpn.iouThresholds = [0.7, 0.3]
    }
    expect("box-weights [1.0, 1.0, 0.0, 1.0]: four numbers above 0.") { $0.roi.boxWeights = [1, 1, 0, 1] }
    expect("score-threshold nan: 0 to 1.") { $0.test.scoreThreshold = .nan }
    expect("pixel-std [1.0, 1.0]: three numbers above 0 and up to 255.") { $0.pixelStd = [1, 1] }
    // Pasting masks needs more than 0, which the image around a box has.
    expect("mask-threshold 0.0: above 0 and at most 1.") { $0.test.maskThreshold = 0 }
    expect("keypoints: the detector c4 has no head for them; give dc5 or fpn.") {
      $0 = DetectorSpec(.c4, classes: 1, keypoints: 17)
    }
  }
}

@Suite struct DilatedStages {
  /// In all blocks, the first too, where torchvision's has dilation 1.
  @Test func every3x3OfADilatedStageIsDilated() {
    let bottlenecks = ResNet.stage(.resnet50, 3, isDilated: true, norm: .frozen, using: Generator(seed: 1))
    let basics = ResNet.stage(.resnet18, 3, isDilated: true, norm: .frozen, using: Generator(seed: 1))
    let convolutions =
      bottlenecks.layers.compactMap { ($0 as? Bottleneck)?.conv2 }
      + basics.layers.compactMap { $0 as? BasicBlock }.flatMap { [$0.conv1, $0.conv2] }
    #expect(convolutions.count == 3 + 4)
    let (one, two) = (Size2D(1), Size2D(2))
    for convolution in convolutions {
      #expect(convolution.dilation == two)
      #expect(convolution.padding == two)
      #expect(convolution.stride == one)
    }
  }

  @Test func dilationKeepsTheSizeAndAShorterNetworkEndsEarly() {
    let x = Tensor.ones([1, 3, 70, 97])
    let dilated = ResNet(.resnet18, dilatesLastStage: true, using: Generator(seed: 1))
    #expect(
      withNoGrad { dilated.featureMaps(x) }.map { Array($0.shape[2...]) }.suffix(2) == [[5, 7], [5, 7]])
    #expect(dilated.state.map(\.name) == ResNet(.resnet18, using: Generator(seed: 1)).state.map(\.name))
    let short = ResNet(.resnet18, stages: 3, using: Generator(seed: 1))
    #expect(short.stageCount == 3 && !short.state.contains { $0.name.hasPrefix("layer4") })
  }

  /// detectron2 replaces the normalisation of frozen stages by a fixed one.
  @Test func frozenStagesHaveFrozenNormalisation() {
    let network = ResNet(.resnet18, frozenStages: 2, using: Generator(seed: 1))
    let learned = Set(network.namedParameters.map { String($0.name.prefix { $0 != "." }) })
    #expect(learned == ["layer2", "layer3", "layer4"])
    let counters = network.state.map(\.name).filter { $0.hasSuffix("num_batches_tracked") }
    #expect(Set(counters.map { String($0.prefix { $0 != "." }) }) == ["layer2", "layer3", "layer4"])
  }
}
