import Data
import Images
import Torch

// Images as a network sees them, for people to look at.

extension EvaluationInput {
  /// Pictures that have the network's size already, as its inputs: N×3×S×S float32, normalised.
  func tensor(of pictures: [RGBImage], on device: Device) -> Tensor {
    let prepare = ColorAugmenter(ViewShape(side: view.size), normalization: normalization, device: device)
    return pictures.reduce(into: [UInt8]()) { $0 += $1.pixels }.withUnsafeBytes { prepare($0) }
  }
}

extension EvaluationData {
  /// Some of the images, resized and cropped as the network sees them.
  /// - Parameter samples: Their numbers in the data set.
  package func pictures(of samples: [Int]) throws -> [RGBImage] {
    try samples.map { try dataset.image($0).evaluationView(input.view) }
  }

  /// Such pictures as the network's inputs: N×3×S×S float32, normalised.
  package func inputs(of pictures: [RGBImage], on device: Device) throws -> Tensor {
    try withTorchErrors { input.tensor(of: pictures, on: device) }
  }

  /// The pictures of inputs, N×3×S×S. Levels are rounded, and those beyond 0 ... 255 become the nearest.
  /// - Throws: ``EvaluationError/notFinite(_:)``.
  package func pictures(ofInputs inputs: Tensor) throws -> [RGBImage] {
    inputs.expect([nil, 3, size, size], "inputs of \(size) pixels")
    guard let pictures = try withTorchErrors({ input.normalization.pictures(of: inputs) }) else {
      throw EvaluationError.notFinite("images")
    }
    return pictures
  }
}
