import Data
import Images
import Models
import Torch

/// How an encoder's images are read and presented to it in evaluation.
package struct EvaluationInput: Sendable {
  /// Pixels of an image's side.
  package var imageSize: Int
  package var normalization: Normalization
  package var decoder: ImageDecoder
  /// Decoding threads.
  package var workers: Int
  /// More unreadable images than this share are an error.
  package var maxBad: Fraction
  /// Images of tar shards among which the next one is drawn, where a classifier is trained.
  package var shuffleBuffer: Int

  /// - Parameters:
  ///   - spec: the encoder.
  ///   - workers: decoding threads.
  package init(
    _ spec: EncoderSpec, decoder: ImageDecoder = ImageDecoder(), workers: Int, maxBad: Fraction = .fivePercent,
    shuffleBuffer: Int = 4096
  ) {
    imageSize = spec.imageSize
    normalization = spec.normalization
    self.decoder = decoder
    self.workers = workers
    self.maxBad = maxBad
    self.shuffleBuffer = shuffleBuffer
  }
}
