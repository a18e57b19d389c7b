import Data
import Torch

/// Labelled images for training: in every epoch a new crop (0.08 ... 1 of the area) and flip of each image,
/// in a new order. An incomplete last batch is dropped.
struct LabelledBatches {
  private let dataset: Dataset
  private let loader: DataLoader
  private let sampler: EpochSampler
  private let prepare: ColorAugmenter

  /// - Parameters:
  ///   - set: Labelled, with at least `batchSize` images.
  ///   - batchSize: The number of images per batch.
  ///   - epochs: The number of epochs.
  ///   - seed: For order and crops.
  ///   - device: The batches' device.
  init(_ set: EvaluationData, of batchSize: Int, epochs: Int, seed: UInt64, on device: Device) {
    dataset = set.dataset
    let view = Transform(
      imageSize: set.size, steps: [.crop(scale: 0.08...1), .flip(probability: 0.5)],
      normalization: set.input.normalization)
    sampler = EpochSampler(
      set.dataset, batchSize: batchSize, seed: seed, shuffleBuffer: set.input.shuffleBuffer)
    loader = DataLoader(
      set.dataset, views: [view], sampler: sampler, workers: set.input.workers, endEpoch: epochs,
      maxBad: set.input.maxBad, retries: set.input.retries, device: device)
    prepare = ColorAugmenter(view.shape, normalization: view.normalization, device: device)
  }

  /// The images that could not be read so far.
  var unreadable: [BadFile] { loader.badFiles }

  /// Calls `body` with the batches of an epoch (counted from 0): images N×3×H×W, normalised, and their
  /// labels. Epochs must be read in order.
  func epoch(_ epoch: Int, _ body: (_ images: Tensor, _ labels: [Int]) throws -> Void) throws {
    for _ in 0..<sampler.batchesPerEpoch {
      guard let batch = try loader.next() else { preconditionFailure("the loader ended in epoch \(epoch)") }
      try body(
        try withTorchErrors { prepare(batch.views[0]) }, batch.indices.map { dataset.label($0) ?? 0 })
    }
  }
}
