import Foundation
import Images
import Torch

/// Where a view comes from and whether it is mirrored.
package struct CropBox: Sendable, Equatable {
  package var box: PixelRegion
  package var isFlipped: Bool

  package init(box: PixelRegion, isFlipped: Bool) {
    self.box = box
    self.isFlipped = isFlipped
  }
}

extension Transform {
  /// The draw for one sample's view of an image of `width` × `height`; the same arguments give the same geometry
  /// at any time.
  package func geometry(
    seed: UInt64, epoch: Int, sample: Int, view: Int, width: Int, height: Int
  ) -> CropBox {
    var generator = CounterGenerator(seed: seed, .geometry, epoch, sample, view)
    var geometry = CropBox(box: .whole(width, height), isFlipped: false)
    for step in steps {
      switch step {
      case .crop(let scale):
        geometry.box = .random(inWidth: width, height: height, scale: scale, using: &generator)
      case .flip(let probability):
        if generator.chance(probability) { geometry.isFlipped.toggle() }
      case .jitter, .grayscale, .blur, .solarize, .randAugment:
        break
      }
    }
    return geometry
  }
}

extension PixelRegion {
  /// The box of torchvision's `RandomResizedCrop`: area a share U(scale) of the image's, ln(width / height)
  /// uniform between ∓ln(4/3), sides rounded to even halves; ten tries to fit it in, then the largest centred box
  /// of an allowed aspect.
  package static func random(
    inWidth width: Int, height: Int, scale: ClosedRange<Double>, using generator: inout CounterGenerator
  ) -> PixelRegion {
    precondition(width > 0 && height > 0, "a crop of an image of \(width) x \(height) pixels")
    let widest = log(4.0 / 3)
    for _ in 0..<10 {
      let area = generator.uniform(scale) * Double(width * height)
      let aspect = exp(generator.uniform(-widest...widest))
      let w = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
      let h = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
      if w > 0, w <= width, h > 0, h <= height {
        let top = generator.index(below: height - h + 1)
        return PixelRegion(left: generator.index(below: width - w + 1), top: top, width: w, height: h)
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
    return .whole(width, height)
  }

  private static func centered(height: Int, width: Int, in imageWidth: Int, _ imageHeight: Int) -> PixelRegion
  {
    PixelRegion(
      left: (imageWidth - width) / 2, top: (imageHeight - height) / 2, width: width, height: height)
  }
}
