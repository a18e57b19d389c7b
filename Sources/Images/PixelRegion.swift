/// A rectangle of pixels: columns `left..<left + width` of the rows `top..<top + height`, counted from the upper
/// left corner of a picture.
public struct PixelRegion: Sendable, Equatable {
  public var left: Int
  public var top: Int
  public var width: Int
  public var height: Int

  public init(left: Int, top: Int, width: Int, height: Int) {
    self.left = left
    self.top = top
    self.width = width
    self.height = height
  }

  /// A whole picture.
  public static func whole(_ width: Int, _ height: Int) -> PixelRegion {
    PixelRegion(left: 0, top: 0, width: width, height: height)
  }

  /// The smallest region that contains both.
  public func union(_ other: PixelRegion) -> PixelRegion {
    let (left, top) = (min(left, other.left), min(top, other.top))
    return PixelRegion(
      left: left, top: top, width: max(self.left + width, other.left + other.width) - left,
      height: max(self.top + height, other.top + other.height) - top)
  }

  /// Whether it is not empty and lies inside a picture of this size.
  package func fits(_ width: Int, _ height: Int) -> Bool {
    left >= 0 && top >= 0 && self.width > 0 && self.height > 0 && left <= width - self.width
      && top <= height - self.height
  }
}

/// A region's pixels, borrowed: valid only inside the closure that receives them.
public struct DecodedPixels: ~Copyable {
  /// Interleaved 8-bit RGB, `region.height` rows of `rowBytes` bytes.
  public let bytes: UnsafeRawBufferPointer
  /// From the start of a row to the start of the next.
  public let rowBytes: Int
  /// The requested part of the picture.
  public let region: PixelRegion
  /// Of the whole picture, turned upright if the decoder does that.
  public let width: Int
  public let height: Int
}

extension RGBImage {
  /// The whole picture as borrowed pixels.
  public func withPixels<Result>(_ body: (borrowing DecodedPixels) throws -> Result) rethrows -> Result {
    try withUnsafeBytes { bytes in
      try body(
        DecodedPixels(
          bytes: bytes, rowBytes: width * 3, region: .whole(width, height), width: width, height: height))
    }
  }
}
