import Data
import Torch

/// Labelled images that a network learns from in one step.
package struct LabelledBatch {
  /// N×3×H×W, normalised; nobody else has this tensor.
  package let images: Tensor
  /// N classes, from 0.
  package let labels: [Int]
  /// N numbers, by which random draws of one image differ from those of another.
  package let samples: [Int]
  /// The batch's place in its epoch.
  package let index: Int

  /// - Parameter samples: 0 ..< N unless given.
  package init(images: Tensor, labels: [Int], samples: [Int]? = nil, index: Int = 0) {
    images.expect([labels.count, nil, nil, nil], "images of \(labels.count) labels")
    (self.images, self.labels, self.index) = (images, labels, index)
    self.samples = samples ?? Array(0..<labels.count)
  }
}

/// How images become what a classifier learns from.
package struct LearningView: Sendable, Equatable {
  /// Crops, flips and operations on bytes.
  package var steps: [TransformOp] = [.crop(scale: 0.08...1), .flip(probability: 0.5)]
  /// The filter of the crops.
  package var interpolation = Interpolation.bilinear
  /// How often an image is in an epoch, each time another view: of n times only every nth image is in it.
  package var repeats = 1

  package init() {}
}

/// Labelled images for training: in every epoch a new view of each image, in a new order. An incomplete last batch is
/// dropped.
struct LabelledBatches {
  private let dataset: Dataset
  private let loader: DataLoader
  private let sampler: EpochSampler
  private let prepare: ColorAugmenter

  /// - Parameters:
  ///   - set: Labelled, with at least `batchSize` images.
  ///   - batchSize: The number of images per batch.
  ///   - epochs: The number of epochs.
  ///   - seed: For order and views.
  ///   - learning: How views are made. With ``LearningView/repeats`` above 1 the images must be readable in any order.
  ///   - first: The epoch to start with.
  ///   - device: The batches' device.
  init(
    _ set: EvaluationData, of batchSize: Int, epochs: Int, seed: UInt64,
    _ learning: LearningView = LearningView(), from first: Int = 0, on device: Device
  ) {
    let images = set.dataset.count
    let view = Transform(
      imageSize: set.size, steps: learning.steps, normalization: set.input.normalization,
      interpolation: learning.interpolation)
    if learning.repeats > 1 {
      dataset = set.dataset.subset((0..<images * learning.repeats).map { $0 % images })
      sampler = EpochSampler(repeating: images, times: learning.repeats, batchSize: batchSize, seed: seed)
    } else {
      dataset = set.dataset
      sampler = EpochSampler(
        set.dataset, batchSize: batchSize, seed: seed, shuffleBuffer: set.input.shuffleBuffer)
    }
    loader = DataLoader(
      dataset, views: [view], sampler: sampler, workers: set.input.workers, epoch: first, endEpoch: epochs,
      maxBad: set.input.maxBad, retries: set.input.retries, device: device)
    prepare = ColorAugmenter(view.shape, normalization: view.normalization, device: device)
  }

  /// The images that could not be read so far.
  var unreadable: [BadFile] { loader.badFiles }

  var batchesPerEpoch: Int { sampler.batchesPerEpoch }

  /// Calls `body` with the batches of an epoch (counted from 0). Epochs must be read in order.
  func epoch(_ epoch: Int, _ body: (LabelledBatch) throws -> Void) throws {
    for index in 0..<sampler.batchesPerEpoch {
      guard let batch = try loader.next() else { preconditionFailure("the loader ended in epoch \(epoch)") }
      let images = try withTorchErrors { prepare(batch.views[0]) }
      try body(
        LabelledBatch(
          images: images, labels: batch.indices.map { dataset.label($0) ?? 0 }, samples: batch.drawIndices,
          index: index))
    }
  }
}
