import Data
import Evaluation
import Methods
import Models
import Torch

/// A key of a detector's configuration.
package typealias DetectKey<Value: KeyValue> = ConfigKey<DetectConfig, Value>

/// All keys of a detector's training, in the order of its YAML file.
package struct DetectKeys: Sendable {
  package static let table = DetectKeys()

  // First weights.
  package let initFile = DetectKey(
    "init", String?.none,
    "Weights to start from, in place of CHECKPOINT: a run, a checkpoint, or a file that `moco import` reads; random ones if "
      + "it is the word random.", "weights")
  package let initDigest = DetectKey(
    "init-digest", String?.none,
    "Checksum of the file of --init, which the program notes. Where it is given, another file is refused.",
    "digest", changesResult: false)
  package let carriedFrom = DetectKey(
    "carried-from", String?.none,
    "The run that this one goes on from, as --resume named it; the program notes it.", "path",
    changesResult: false)

  // The detector.
  package let detector = DetectKey(
    "detector", DetectorSpec.Detector.c4,
    "Where boxes are found: c4 (conv4, and conv5 on each box), dc5 (dilated conv5), fpn (a feature pyramid), or vit (the map "
      + "of a vision transformer).")
  package let arch = DetectKey("arch", Architecture.resnet50, "Network of the backbone.", "name")
  package let masks = DetectKey("masks", false, "Objects have masks, which are learned too.")
  package let keypoints = DetectKey("keypoints", false, "Objects have keypoints, which are learned too.")
  package let norm = DetectKey(
    "norm", DetectorSpec.Norm.naiveSync,
    "Batch normalisation: plain (each rank's batch alone), sync (all ranks' values together), naive-sync (the mean of the "
      + "ranks' statistics, as published), or frozen. With one process the first three are the same.")
  package let freezeAt = DetectKey(
    "freeze-at", 0,
    "The stem and stages that do not learn: 0 none, 1 the stem, 2 the stem and conv2, … 5 all.",
    "n", allowed: { (0...5).contains($0) }, else: "0 to 5.")
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
    allowed: { $0 >= 0 && $0.isFinite }, else: "0 or more.")
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
  package let flip = DetectKey(
    "flip", 0.5, "The chance that an image is mirrored.", "fraction", allowed: { (0...1).contains($0) },
    else: "0 to 1.")
  package let groupByAspect = DetectKey(
    "group-by-aspect", true, "Batches hold images of one orientation.")
  package let repeatThreshold = DetectKey(
    "repeat-threshold", 0.0,
    "Images are shown more often if a class of theirs is in less than this share of them; 0 shows all alike.",
    "share", allowed: { (0..<1).contains($0) }, else: "0 to below 1.")
  package let maxLeftOut = DetectKey(
    "max-left-out", Fraction(value: 0.5),
    "Stop when annotations with faults leave out more than this of the objects or images, as 50%.", "share",
    changesResult: false)
  package let maxBad = DetectKey<Fraction>.maxBad
  package let maxPixels = DetectKey<Int>.maxPixels
  package let exifOrientation = DetectKey(
    "exif-orientation", true, "Turn photos upright by their EXIF tag, as the published code does.")

  // Optimization.
  package let steps = DetectKey(
    "steps", 90_000, "Updates of the whole run. The fall of the learning rate does not depend on them.", "n",
    allowed: { (1...1_000_000_000).contains($0) }, else: "1 to 1,000,000,000.", changesResult: false)
  package let batchSize = DetectKey(
    "batch-size", 16, "Images of a step, of all ranks together.", "n",
    allowed: { (1...100_000).contains($0) },
    else: "1 to 100,000.")
  package let lr = DetectKey(
    "lr", 0.02, "Learning rate behind the warm-up.", "rate", allowed: { $0 > 0 && $0.isFinite },
    else: "the learning rate must be positive.")
  package let decayAt = DetectKey(
    "decay-at", KeyList<Int>([]), "Steps from which on the learning rate is multiplied by --gamma once more.",
    "n", allowed: { $0.all == $0.all.sorted() && $0.all.allSatisfy { $0 > 0 } },
    else: "rising numbers of 1 or more.")
  package let gamma = DetectKey(
    "gamma", 0.1, "The factor by which the learning rate falls.", "factor", allowed: { $0 > 0 && $0 <= 1 },
    else: "above 0 and at most 1.")
  package let warmupSteps = DetectKey(
    "warmup-steps", 1000, "Steps in which the learning rate rises.", "n",
    allowed: { (0...1_000_000_000).contains($0) }, else: "0 or more.")
  package let warmupFactor = DetectKey(
    "warmup-factor", 0.001, "The share of the learning rate in the first step.", "fraction",
    allowed: { (0...1).contains($0) }, else: "0 to 1.")
  package let momentum = DetectKey(
    "momentum", 0.9, "The optimizer's momentum.", "m", allowed: { (0..<1).contains($0) },
    else: "the optimizer's momentum lies in [0, 1).")
  package let wd = DetectKey(
    "wd", 1e-4, "Weight decay, of all but normalisations' weights and biases.", "decay",
    allowed: { $0 >= 0 && $0.isFinite }, else: "weight decay is not negative.")
  package let preciseBN = DetectKey(
    "precise-bn", 200,
    "Batches of training that batch normalisation's statistics are taken of before each test; 0 keeps the running ones.",
    "n", allowed: { (0...100_000).contains($0) }, else: "0 to 100,000.")
  package let precision = DetectKey<Precision>.precision
  package let tf32 = DetectKey<Bool>.tf32
  package let seed = DetectKey<UInt64>.seed

  // The machine and the run folder.
  package let device = DetectKey<DeviceChoice>.device
  package let workers = DetectKey<Int?>.workers
  package let timeout = DetectKey<Int>.timeout
  package let testEvery = DetectKey(
    "test-every", Int?.none, "Steps between tests; unless given, only the end is tested.", "n",
    allowed: { ($0 ?? 1) > 0 }, else: "at least 1 step.", changesResult: false)
  package let saveEvery = DetectKey(
    "save-every", Int?.none, "Steps between checkpoints; every ten minutes unless given.", "n",
    allowed: { ($0 ?? 1) > 0 }, else: "at least 1 step.", changesResult: false)
  package let onUSR1 = DetectKey<SaveRequest>.onUSR1
  package let keep = DetectKey<Int>.keep
  package let logEvery = DetectKey<Int>.logEvery
}

extension Condition<DetectConfig> {
  static var pyramid: Self { Self("only --detector fpn has a pyramid") { $0.detector == .fpn } }
}

extension DetectionMetric: KeyValue {}
extension DetectorSpec.Detector: KeyValue {}
extension DetectorSpec.Norm: KeyValue {}
