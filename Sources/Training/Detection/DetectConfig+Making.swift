import Data
import Distributed
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

  func sampling(of dataset: DetectionDataset, seed: UInt64, rank: Rank) -> DetectionSampling {
    DetectionSampling(
      batchSize: self.batchSize, seed: seed, groupsByAspect: self.groupByAspect,
      repeats: self.repeatThreshold > 0 ? RepeatFactors(dataset, threshold: self.repeatThreshold) : nil,
      rank: rank)
  }
}
