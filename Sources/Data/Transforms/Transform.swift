import Torch

/// One operation of a ``Transform``. Probabilities are for each sample.
public enum TransformOp: Sendable, Equatable {
  /// A random rectangle of a `scale` share of the area, aspect log-uniform in 3/4...4/3, resized to the view's
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
  /// Random operations on the bytes behind the crop and the flip.
  case randAugment(RandAugment)
}

/// The size of a view, whose pixels are H × W × 3 bytes.
public struct ViewShape: Sendable, Hashable {
  /// Red, green and blue.
  public static let channels = 3

  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    precondition(height > 0 && width > 0, "a view of \(height) × \(width) pixels")
    (self.height, self.width) = (height, width)
  }

  /// A square.
  public init(side: Int) { self.init(height: side, width: side) }

  var pixels: Int { height * width }
  /// Of one sample's view.
  package var bytes: Int { height * width * Self.channels }
}

/// How one view of an image is made: geometry, colour, normalisation.
///
/// Geometry (crop and flip) works on bytes in the loader's threads, colour on batches on the training device. A
/// flip gives the same picture at any place after the crop, because every colour step either treats each pixel
/// alone, or uses a mean over the picture, or blurs symmetrically. So flips join the geometry wherever they stand.
public struct Transform: Sendable, Equatable {
  /// Of the view.
  public var shape: ViewShape
  /// In order; the first one is the crop.
  public var steps: [TransformOp]
  public var normalization: Normalization
  /// The filter of the crop's resizing, and of turns in ``RandAugment``.
  public var interpolation: Interpolation

  public init(
    shape: ViewShape, steps: [TransformOp], normalization: Normalization,
    interpolation: Interpolation = .bilinear
  ) {
    self.shape = shape
    self.steps = steps
    self.normalization = normalization
    self.interpolation = interpolation
  }

  /// A view of `imageSize` × `imageSize` pixels.
  public init(
    imageSize: Int, steps: [TransformOp], normalization: Normalization,
    interpolation: Interpolation = .bilinear
  ) {
    self.init(
      shape: ViewShape(side: imageSize), steps: steps, normalization: normalization,
      interpolation: interpolation)
  }

  /// The same with another smallest crop, a share of the image's area.
  func cropping(from minScale: Double) -> Transform {
    var transform = self
    transform.steps = steps.map { step in
      if case .crop(let scale) = step { return .crop(scale: minScale...max(minScale, scale.upperBound)) }
      return step
    }
    return transform
  }
}

/// How the views of an image are made. Each is drawn independently; they may differ in size.
///
/// ```swift
/// let twoViews = AugmentationPreset.v2.transform(imageSize: 224)
///
/// // Two large views and six small ones (multi-crop).
/// var small = twoViews.views[0]
/// small.shape = ViewShape(side: 96)
/// small.steps[0] = .crop(scale: 0.05...0.14)
/// let multiCrop = MultiViewTransform(twoViews.views + Array(repeating: small, count: 6))
/// ```
public struct MultiViewTransform: Sendable, Equatable {
  /// One or more. The random draws of a view depend on its place here, and on no other view.
  public var views: [Transform]

  public init(_ views: [Transform]) {
    precondition(!views.isEmpty, "no view to make")
    self.views = views
  }

  /// Two views, of a query and of its key.
  public init(query: Transform, key: Transform) { self.init([query, key]) }

  /// Two views by one transform.
  public init(both transform: Transform) { self.init([transform, transform]) }
}
