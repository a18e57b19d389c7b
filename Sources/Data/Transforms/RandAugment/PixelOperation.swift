import Torch

/// One operation of ``RandAugment`` on a picture of bytes, with its parameter. Levels are those that Pillow gives.
package enum PixelOperation: Sendable, Equatable {
  /// Each channel's levels spread to 0 ... 255.
  case autoContrast
  /// Each channel's histogram made even.
  case equalize
  /// 255 − level.
  case invert
  /// Counter-clockwise about the centre.
  case rotate(degrees: Double)
  /// Only so many of the highest bits stay, 0 ... 8.
  case posterize(bits: Int)
  /// Levels from a threshold of 0 ... 256 on are inverted.
  case solarize(threshold: Int)
  /// Added to levels below 128, at most 255.
  case solarizeAdd(Int)
  /// A blend with the gray picture; 1 changes nothing.
  case color(Double)
  /// A blend with gray of the mean luma.
  case contrast(Double)
  /// A blend with black.
  case brightness(Double)
  /// A blend with the smoothed picture.
  case sharpness(Double)
  /// Pixels sideways a row.
  case shearX(Double)
  /// Pixels downwards a column.
  case shearY(Double)
  /// To the left, a share of the width.
  case translateX(Double)
  /// Upwards, a share of the height.
  case translateY(Double)

  enum Kind: CaseIterable {
    case autoContrast, equalize, invert, rotate, posterize, solarize, solarizeAdd
    case color, contrast, brightness, sharpness, shearX, shearY, translateX, translateY
  }

  /// The operation at a magnitude by timm's scales, which grow with it.
  /// - Parameters:
  ///   - magnitude: 0 ... 10.
  ///   - isNegative: the direction, of operations that have two.
  init(_ kind: Kind, magnitude: Double, isNegative: Bool) {
    let level = magnitude / RandAugment.largestMagnitude
    func signed(_ value: Double) -> Double { isNegative ? -value : value }
    /// Away from 1, where nothing changes.
    let factor = max(0.1, 1 + signed(level * 0.9))
    self =
      switch kind {
      case .autoContrast: .autoContrast
      case .equalize: .equalize
      case .invert: .invert
      case .rotate: .rotate(degrees: signed(level * 30))
      case .posterize: .posterize(bits: 4 - Int(level * 4))
      case .solarize: .solarize(threshold: 256 - min(256, Int(level * 256)))
      case .solarizeAdd: .solarizeAdd(min(128, Int(level * 110)))
      case .color: .color(factor)
      case .contrast: .contrast(factor)
      case .brightness: .brightness(factor)
      case .sharpness: .sharpness(factor)
      case .shearX: .shearX(signed(level * 0.3))
      case .shearY: .shearY(signed(level * 0.3))
      case .translateX: .translateX(signed(level * 0.45))
      case .translateY: .translateY(signed(level * 0.45))
      }
  }

  /// Changes a picture in place.
  /// - Parameters:
  ///   - picture: the picture.
  ///   - fill: red, green and blue of pixels from outside of it.
  ///   - filter: how pixels are read between their centres.
  package func apply(to picture: PixelBuffer, fill: [UInt8], filter: Interpolation) {
    let (width, height) = (Double(picture.width), Double(picture.height))
    func transform(_ map: AffineMap) { picture.transform(map, fill: fill, filter: filter) }
    switch self {
    case .autoContrast: picture.autoContrast()
    case .equalize: picture.equalize()
    case .invert: picture.map { 255 - $0 }
    case .rotate(let degrees):
      if let map = AffineMap(degrees: degrees, width: width, height: height) { transform(map) }
    case .posterize(let bits): picture.map { $0 & UInt8(truncatingIfNeeded: 0xFF00 >> bits) }
    case .solarize(let threshold): picture.map { Int($0) < threshold ? $0 : 255 - $0 }
    case .solarizeAdd(let amount): picture.map { $0 < 128 ? UInt8(min(255, Int($0) + amount)) : $0 }
    case .color(let factor): picture.adjustColor(factor)
    case .contrast(let factor): picture.adjustContrast(factor)
    case .brightness(let factor): picture.adjustBrightness(factor)
    case .sharpness(let factor): picture.adjustSharpness(factor)
    case .shearX(let factor): transform(AffineMap(1, factor, 0, 0, 1, 0))
    case .shearY(let factor): transform(AffineMap(1, 0, 0, factor, 1, 0))
    case .translateX(let share): transform(AffineMap(1, 0, share * width, 0, 1, 0))
    case .translateY(let share): transform(AffineMap(1, 0, 0, 0, 1, share * height))
    }
  }
}
