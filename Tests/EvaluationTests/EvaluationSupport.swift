import Models
import TestSupport
import Torch
import Weights
@testable import Evaluation

extension EncoderSpec {
  /// A ResNet-8 for images of 16 pixels with a contrastive head.
  static let small = EncoderSpec(
    arch: .resnet8, stem: .cifar, imageSize: 16, normalization: .cifar, head: .linear(outputs: 128))
}

extension EvaluationInput {
  static let small = EvaluationInput(.small, workers: 1)
}

/// The small encoder as a file, with the batch statistics of a few images.
func makeTrainedEncoder(seed: UInt64 = 1) throws -> TrainedEncoder {
  let generator = Generator(seed: seed)
  let network = EncoderSpec.small.makeEncoder(using: generator)
  withNoGrad { _ = network(.normal([8, 3, 16, 16], using: generator)) }
  let path = temporaryFolder() + "/encoder.safetensors"
  try EncoderSpec.small.write(network, head: .projection, to: path)
  return try TrainedEncoder(path, on: .cpu)
}
