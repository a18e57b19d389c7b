import Images
import Torch

/// Where a view comes from and whether it is mirrored.
public struct CropBox: Sendable, Equatable {
  public var box: PixelRegion
  public var isFlipped: Bool

  public init(box: PixelRegion, isFlipped: Bool) {
    self.box = box
    self.isFlipped = isFlipped
  }
}

extension Transform {
  /// The draw for one sample's view of an image of `width` × `height`; the same arguments give the same geometry
  /// at any time.
  public func geometry(
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
      case .jitter, .grayscale, .blur, .solarize:
        break
      }
    }
    return geometry
  }
}
