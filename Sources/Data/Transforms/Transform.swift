import Torch

/// One step of a recipe. Probabilities are for each sample.
///
/// As YAML or JSON a step is its name and its parameters: `blur: {sigma: [0.1, 2], probability: 0.5}`.
public enum TransformOp: Codable, Sendable, Equatable {
  /// A random rectangle of a `scale` share of the area, aspect log-uniform in 3/4...4/3, resized to the image
  /// size (torchvision's `RandomResizedCrop`).
  case crop(scale: ClosedRange<Double>)
  /// Left and right exchanged.
  case flip(probability: Double)
  /// Brightness, contrast, saturation by factors in 1 ± amount and hue by ± `hue` turns, in an order drawn for
  /// each sample (torchvision's `ColorJitter`). An amount of 0 leaves its operation out.
  case jitter(brightness: Double, contrast: Double, saturation: Double, hue: Double, probability: Double)
  /// The luma in all three channels.
  case grayscale(probability: Double)
  /// Gaussian blur with σ ~ U(sigma), in pixels.
  case blur(sigma: ClosedRange<Double>, probability: Double)
  /// Levels of 128 and above are inverted.
  case solarize(probability: Double)
}

/// How one view of an image is made: geometry, colour, normalisation.
///
/// Geometry (crop and flip) works on bytes in the loader's threads, colour on batches on the training device. A
/// flip gives the same picture at any place after the crop, because every colour step either treats each pixel
/// alone, or uses a mean over the picture, or blurs symmetrically. So flips join the geometry wherever they stand.
public struct Transform: Codable, Sendable, Equatable {
  /// Height and width of the view, in pixels.
  public var imageSize: Int
  /// In order; the first one is the crop.
  public var steps: [TransformOp]
  public var normalization: Normalization

  public init(imageSize: Int, steps: [TransformOp], normalization: Normalization) {
    self.imageSize = imageSize
    self.steps = steps
    self.normalization = normalization
  }

  /// - Throws: ``TransformError`` for what no image could be made by.
  public func validate() throws(TransformError) {
    guard imageSize >= 1 else { throw .imageSize(imageSize) }
    guard case .crop? = steps.first else { throw .cropNotFirst }
    guard steps.dropFirst().allSatisfy({ if case .crop = $0 { false } else { true } }) else {
      throw .cropNotFirst
    }
    for step in steps { try step.validate() }
    guard normalization.isUsable else { throw .outOfRange("normalization", "three means, three std above 0") }
  }
}

extension TransformOp {
  fileprivate func validate() throws(TransformError) {
    switch self {
    case .crop(let scale):
      guard scale.lowerBound > 0, scale.upperBound <= 1 else {
        throw .outOfRange("crop scale \(scale)", "two numbers above 0 and at most 1")
      }
    case .jitter(let brightness, let contrast, let saturation, let hue, let probability):
      guard [brightness, contrast, saturation].allSatisfy({ $0 >= 0 && $0.isFinite }) else {
        throw .outOfRange("jitter \([brightness, contrast, saturation])", "amounts of at least 0")
      }
      guard (0...0.5).contains(hue) else { throw .outOfRange("jitter hue \(hue)", "between 0 and 0.5") }
      try validate(probability, "jitter")
    case .blur(let sigma, let probability):
      guard sigma.lowerBound > 0, sigma.upperBound <= 100 else {
        throw .outOfRange("blur sigma \(sigma)", "two numbers above 0 and at most 100")
      }
      try validate(probability, "blur")
    case .flip(let probability): try validate(probability, "flip")
    case .grayscale(let probability): try validate(probability, "grayscale")
    case .solarize(let probability): try validate(probability, "solarize")
    }
  }

  private func validate(_ probability: Double, _ name: String) throws(TransformError) {
    guard (0...1).contains(probability) else {
      throw .outOfRange("\(name) probability \(probability)", "between 0 and 1")
    }
  }
}

/// What is wrong with a recipe.
public enum TransformError: Error, Equatable, Sendable, CustomStringConvertible {
  case imageSize(Int)
  case cropNotFirst
  /// What was said, and what may be.
  case outOfRange(String, String)

  public var description: String {
    switch self {
    case .imageSize(let size): "the image size is \(size); it must be at least 1"
    case .cropNotFirst: "a recipe's first step, and no other, is the crop"
    case .outOfRange(let what, let allowed): "\(what): allowed are \(allowed)"
    }
  }
}
