import Data
import Distributed
import Files
import Images
import Methods
import Models
import Torch

// The parts of a detector's training, made from its configuration.

extension DetectConfig {
  /// The detector.
  /// - Parameters:
  ///   - classes: Of the training set.
  ///   - keypoints: Of an object of it.
  package func spec(classes: Int, keypoints: Int = 0) -> DetectorSpec {
    var spec = DetectorSpec(
      self.detector, arch: self.arch, classes: classes, masks: self.masks,
      keypoints: self.keypoints ? keypoints : 0)
    (spec.norm, spec.freezeAt) = (self.norm, self.freezeAt)
    spec.anchors.sizes = self.detector == .fpn ? self.anchorSizes.all.map { [$0] } : [self.anchorSizes.all]
    spec.rpn.batchSizePerImage = self.rpnBatch
    spec.rpn.preNMSTopK = DetectorSpec.Limits(training: self.rpnPreTrain, test: self.rpnPreTest)
    spec.rpn.postNMSTopK = DetectorSpec.Limits(training: self.rpnPostTrain, test: self.rpnPostTest)
    (spec.roi.batchSizePerImage, spec.roi.smoothL1Beta) = (self.roiBatch, self.boxBeta)
    (spec.fpn.channels, spec.fpn.hasNorm) = (self.fpnChannels, self.fpnNorm)
    (spec.boxHead.size, spec.maskHead.channels) = (self.boxSize, self.maskChannels)
    (spec.test.scoreThreshold, spec.test.detectionsPerImage) = (self.scoreThreshold, self.detections)
    return spec
  }

  package var schedule: WarmupMultiStep {
    WarmupMultiStep(
      base: self.lr, milestones: self.decayAt.all, gamma: self.gamma, warmUp: self.warmupSteps,
      warmUpFactor: self.warmupFactor)
  }

  package var workerCount: Int { self.workers ?? Cores.usable }

  var decoder: ImageDecoder {
    ImageDecoder(limits: .allowing(pixels: self.maxPixels), appliesOrientation: self.exifOrientation)
  }

  /// How the training set is opened.
  package var trainingOptions: DetectionOptions {
    DetectionOptions(
      masks: self.masks, keypoints: self.keypoints, maxLeftOut: self.maxLeftOut, decoder: decoder,
      workers: workerCount)
  }

  /// How a test set of the classes of training is opened.
  package func testOptions(classes: [String]) -> DetectionOptions {
    DetectionOptions(
      use: .testing, masks: self.masks, keypoints: self.keypoints, classNames: classes,
      maxLeftOut: self.maxLeftOut, decoder: decoder, workers: workerCount)
  }

  var resize: ResizeShortestEdge {
    ResizeShortestEdge(shortSides: self.shortSides.all, maxSide: self.maxSide)
  }

  var testResize: ResizeShortestEdge {
    ResizeShortestEdge(shortSides: [self.testShortSide], maxSide: self.testMaxSide)
  }

  func sampling(of dataset: DetectionDataset, rank: Rank) -> DetectionSampling {
    DetectionSampling(
      batchSize: self.batchSize, seed: self.seed, groupsByAspect: self.groupByAspect,
      repeats: self.repeatThreshold > 0 ? RepeatFactors(dataset, threshold: self.repeatThreshold) : nil,
      rank: rank)
  }

  /// Raises an error for invalid values, each in one line with the option's name.
  /// - Parameter ranks: The number of processes that train together.
  package func validate(ranks: Int = 1) throws {
    try checkRanges()
    guard self.batchSize.isMultiple(of: ranks) else {
      throw UsageError(
        "--batch-size \(self.batchSize): the batch does not divide by \(ranks) ranks. Give a multiple of \(ranks)."
      )
    }
    guard !(self.masks && self.keypoints) else {
      throw UsageError("--masks and --keypoints are not learned together: give one of them.")
    }
    if let problem = spec(classes: 1, keypoints: 1).problem { throw UsageError("--\(problem)") }
  }

  // MARK: - Batch and rate

  /// The learning rate for this batch that is the recipe's for its own, in proportion (Goyal et al. 2017, section 2.1).
  package func scalingRate(from recipe: DetectConfig) -> DetectConfig {
    var config = self
    config.lr = recipe.lr * Double(config.batchSize) / Double(recipe.batchSize)
    return config
  }

  /// Batch and rate beside the recipe's where they differ; nil where they are the same.
  package func comparison(with recipe: DetectConfig) -> (text: String, isRisky: Bool)? {
    guard self.batchSize != recipe.batchSize || self.lr != recipe.lr else { return nil }
    let text =
      "batch \(self.batchSize) at rate \(self.lr); the recipe has batch \(recipe.batchSize) at rate \(recipe.lr)"
    let wanted = recipe.lr * Double(self.batchSize) / Double(recipe.batchSize)
    guard abs(self.lr / wanted - 1) > 1e-9 else { return (text + ", the same for each image", false) }
    return (
      "\(text). In proportion to the batch the rate would be \(Float(wanted)): give --scale-lr, or --lr.",
      true
    )
  }
}
