import Data
import Images
import Models
import Torch

/// The settings for reading images and giving them to an encoder in evaluation.
package struct EvaluationInput: Sendable {
  /// How an image is resized and cropped.
  package var view: EvaluationView
  package var normalization: Normalization
  package var decoder: ImageDecoder
  /// The number of decoding threads.
  package var workers: Int
  /// The maximum share of unreadable images; more are an error.
  package var maxBad: Fraction
  /// The size of the shuffle buffer, in images, for tar shards when a classifier is trained.
  package var shuffleBuffer: Int
  /// The field of shards that is the image; nil for WebDataset's rule.
  package var imageKey: String?
  /// How often a shard that breaks is started again.
  package var retries = ShardRetries()

  /// - Parameters:
  ///   - spec: The encoder.
  ///   - workers: The number of decoding threads.
  package init(
    _ spec: EncoderSpec, decoder: ImageDecoder = ImageDecoder(), workers: Int,
    maxBad: Fraction = .fivePercent,
    shuffleBuffer: Int = 4096, imageKey: String? = nil
  ) {
    view = EvaluationView(
      size: spec.imageSize, resizing: spec.resizing, interpolation: spec.interpolation ?? .bilinear)
    normalization = spec.normalization
    self.decoder = decoder
    self.workers = workers
    self.maxBad = maxBad
    self.shuffleBuffer = shuffleBuffer
    self.imageKey = imageKey
  }
}
