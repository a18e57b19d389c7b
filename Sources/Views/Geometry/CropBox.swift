import Foundation
import Torch

/// A rectangle of an image's pixels.
public struct CropBox: Sendable, Equatable {
  public var top: Int
  public var left: Int
  public var height: Int
  public var width: Int

  public init(top: Int, left: Int, height: Int, width: Int) {
    (self.top, self.left, self.height, self.width) = (top, left, height, width)
  }

  /// The box of torchvision's `RandomResizedCrop`: area a share U(scale) of the image's, ln(width / height)
  /// uniform between ∓ln(4/3), sides rounded to even halves; ten tries to fit it in, then the largest centred box
  /// of an allowed aspect.
  public static func random(
    inWidth width: Int, height: Int, scale: ClosedRange<Double>, using generator: inout CounterGenerator
  ) -> CropBox {
    precondition(width > 0 && height > 0, "a crop of an image of \(width) x \(height) pixels")
    let widest = log(4.0 / 3)
    for _ in 0..<10 {
      let area = generator.uniform(scale) * Double(width * height)
      let aspect = exp(generator.uniform(-widest...widest))
      let w = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
      let h = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
      if w > 0, w <= width, h > 0, h <= height {
        return CropBox(
          top: generator.index(below: height - h + 1), left: generator.index(below: width - w + 1),
          height: h, width: w)
      }
    }
    let aspect = Double(width) / Double(height)
    if aspect < 0.75 {
      return centered(
        height: Int((Double(width) / 0.75).rounded(.toNearestOrEven)), width: width, in: width, height)
    }
    if aspect > 4.0 / 3 {
      return centered(
        height: height, width: Int((Double(height) * 4 / 3).rounded(.toNearestOrEven)), in: width, height)
    }
    return CropBox(top: 0, left: 0, height: height, width: width)
  }

  private static func centered(height: Int, width: Int, in imageWidth: Int, _ imageHeight: Int) -> CropBox {
    CropBox(top: (imageHeight - height) / 2, left: (imageWidth - width) / 2, height: height, width: width)
  }
}

/// Where a view comes from and whether it is mirrored.
public struct ViewGeometry: Sendable, Equatable {
  public var box: CropBox
  public var isFlipped: Bool

  public init(box: CropBox, isFlipped: Bool) {
    self.box = box
    self.isFlipped = isFlipped
  }
}

extension ViewRecipe {
  /// The draw for one sample's view of an image of `width` × `height`; the same arguments give the same geometry
  /// at any time.
  public func geometry(
    seed: UInt64, epoch: Int, sample: Int, view: Int, width: Int, height: Int
  ) -> ViewGeometry {
    var generator = CounterGenerator(seed: seed, .geometry, epoch, sample, view)
    var geometry = ViewGeometry(
      box: CropBox(top: 0, left: 0, height: height, width: width), isFlipped: false)
    for step in steps {
      switch step {
      case .crop(let scale):
        geometry.box = .random(inWidth: width, height: height, scale: scale, using: &generator)
      case .flip(let probability):
        if generator.chance(probability) { geometry.isFlipped.toggle() }
      case .jitter, .grayscale, .blur, .solarize:
        break
      }
    }
    return geometry
  }
}
