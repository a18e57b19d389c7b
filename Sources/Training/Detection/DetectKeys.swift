import Data
import Evaluation
import Methods
import Models
import Torch

/// A key of a detector's configuration.
package typealias DetectKey<Value: KeyValue> = ConfigKey<DetectConfig, Value>

/// The keys of a detector's training that other tasks do not have, in the order of its YAML file.
package struct DetectKeys: Sendable {
  package static let table = DetectKeys()

  // The detector.
  package let detector = DetectKey(
    "detector", DetectorSpec.Detector.c4,
    "Where boxes are found: c4 (conv4, and conv5 on each box), dc5 (dilated conv5), fpn (a feature pyramid), or vit (the map "
      + "of a vision transformer).")
  package let arch = DetectKey<Architecture>.backbone()
  package let masks = DetectKey("masks", false, "Objects have masks, which are learned too.")
  package let keypoints = DetectKey("keypoints", false, "Objects have keypoints, which are learned too.")
  package let norm = DetectKey<DetectorSpec.Norm>.norm(.naiveSync)
  package let freezeAt = DetectKey<Int>.freezeAt
  package let fpnNorm = DetectKey(
    "fpn-norm", true, "The pyramid's convolutions are normalised.", needs: .pyramid)
  package let fpnChannels = DetectKey(
    "fpn-channels", 256, "Channels of the pyramid.", "n", allowed: { (1...65_536).contains($0) },
    else: "1 to 65,536.", needs: .pyramid)
  package let boxSize = DetectKey(
    "box-size", 1024, "Outputs of the box head's two linear layers.", "n",
    allowed: { (1...65_536).contains($0) }, else: "1 to 65,536.",
    needs: Condition("the box head of c4 is conv5") { $0.detector != .c4 })
  package let maskChannels = DetectKey(
    "mask-channels", 256, "Channels of the mask head.", "n", allowed: { (1...65_536).contains($0) },
    else: "1 to 65,536.", needs: Condition("there are no masks") { $0.masks })
  package let anchorSizes = DetectKey(
    "anchor-sizes", KeyList<Double>([32, 64, 128, 256, 512]),
    "Sides of square anchors in pixels, in each place; of fpn one for each of its five levels.", "pixels",
    allowed: { !$0.all.isEmpty && $0.all.allSatisfy { $0 > 0 && $0 <= 1e6 } },
    else: "one or more sides above 0 and up to 1000000.")

  // What it learns from, and the test.
  package let rpnBatch = DetectKey(
    "rpn-batch", 256, "Anchors of an image that the losses take.", "n",
    allowed: { (1...100_000).contains($0) }, else: "1 to 100,000.")
  package let roiBatch = DetectKey(
    "roi-batch", 512, "Boxes of an image that the losses take.", "n", allowed: { (1...100_000).contains($0) },
    else: "1 to 100,000.")
  package let rpnPreTrain = DetectKey(
    "rpn-pre-train", 12_000, "Proposals that enter NMS in training, of a level.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "1 to 1,000,000.")
  package let rpnPostTrain = DetectKey(
    "rpn-post-train", 2000, "Proposals of an image after it.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "1 to 1,000,000.")
  package let rpnPreTest = DetectKey(
    "rpn-pre-test", 6000, "Proposals that enter NMS in the test, of a level.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "1 to 1,000,000.")
  package let rpnPostTest = DetectKey(
    "rpn-post-test", 1000, "Proposals of an image after it.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "1 to 1,000,000.")
  package let boxBeta = DetectKey(
    "box-beta", 0.0, "Where the box loss turns from a parabola to a line; 0 is L1.", "number",
    allowed: { $0 >= 0 && $0.isFinite }, else: "a finite number, at least 0.")
  package let scoreThreshold = DetectKey(
    "score-threshold", 0.05, "Detections with at most this score are left out.", "score",
    allowed: { (0..<1).contains($0) }, else: "0 to below 1.")
  package let detections = DetectKey(
    "detections", 100, "Detections of an image, at most.", "n", allowed: { (1...100_000).contains($0) },
    else: "1 to 100,000.")
  package let metric = DetectKey(
    "metric", DetectionMetric.coco,
    "The rules of the test: coco, voc07 (11 points), voc (area, from 2010 on), lvis or cityscapes.",
    changesResult: false)

  // Images.
  package let shortSides = DetectKey(
    "short-sides", KeyList([800]), "Lengths of an image's short side in training; one is drawn.", "pixels",
    allowed: { !$0.all.isEmpty && $0.all.allSatisfy(DetectConfig.sides.contains) },
    else: "one or more of 1 to 16,384.")
  package let maxSide = DetectKey(
    "max-side", 1333, "The long side is at most this.", "pixels", allowed: DetectConfig.sides.contains,
    else: "1 to 16,384.")
  package let testShortSide = DetectKey(
    "test-short-side", 800, "The short side in the test.", "pixels", allowed: DetectConfig.sides.contains,
    else: "1 to 16,384.")
  package let testMaxSide = DetectKey(
    "test-max-side", 1333, "The long side in the test is at most this.", "pixels",
    allowed: DetectConfig.sides.contains, else: "1 to 16,384.")
  package let flip = DetectKey<Double>.flip
  package let groupByAspect = DetectKey(
    "group-by-aspect", true, "Batches hold images of one orientation.")
  package let repeatThreshold = DetectKey(
    "repeat-threshold", 0.0,
    "Images are shown more often if a class of theirs is in less than this share of them; 0 shows all alike.",
    "share", allowed: { (0..<1).contains($0) }, else: "0 to below 1.")
  package let maxLeftOut = DetectKey<Fraction>.maxLeftOut
}

extension Condition<DetectConfig> {
  static var pyramid: Self { Self("only --detector fpn has a pyramid") { $0.detector == .fpn } }
}

extension DetectionMetric: KeyValue {}
extension DetectorSpec.Detector: KeyValue {}
extension DetectorSpec.Norm: KeyValue {}
