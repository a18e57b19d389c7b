import CCodecs

/// The turn that makes a stored picture upright: the EXIF tag 0x0112 (EXIF 2.32, section 4.6.4 A).
package enum Orientation: UInt16, Sendable, CaseIterable {
  case upright = 1
  case mirrored = 2
  case upsideDown = 3
  case mirroredUpsideDown = 4
  case transposed = 5
  /// Turn it a quarter to the right.
  case needsRightTurn = 6
  case transversed = 7
  /// Turn it a quarter to the left.
  case needsLeftTurn = 8

  /// Finds the tag in an image file; nil if it is missing or not valid.
  package init?(in file: UnsafeRawBufferPointer, _ format: ImageFormat) {
    let exif: Slice<UnsafeRawBufferPointer>?
    switch format {
    case .jpeg: exif = Self.exifInJPEG(file)
    case .png: exif = Self.exifInPNG(file)
    case .webp: exif = Self.exifInWebP(file)
    case .tiff: exif = file[...]
    case .bmp, .gif, .pnm: exif = nil
    case .avif:
      // The container's own turn; its EXIF data only repeat it.
      self.init(rawValue: UInt16(cc_avif_orientation(file.baseAddress, file.count)))
      return
    }
    guard let exif, let value = Self.tag(inTIFF: exif) else { return nil }
    self.init(rawValue: value)
  }

  /// Whether rows become columns.
  package var swapsSides: Bool { rawValue >= 5 }

  /// Segments: 0xFF, marker, 16-bit length that includes itself. Ends at the first scan.
  private static func exifInJPEG(_ file: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    var at = 2
    while at + 4 <= file.count, file[at] == 0xFF {
      let marker = file[at + 1]
      if marker == 0xFF {
        at += 1
        continue
      }
      if marker == 0xDA { return nil }
      let end = at + 2 + Int(file[at + 2]) << 8 + Int(file[at + 3])
      guard end >= at + 4, end <= file.count else { return nil }
      let content = file[(at + 4)..<end]
      if marker == 0xE1, content.starts(with: "Exif\0\0".utf8) { return content.dropFirst(6) }
      at = end
    }
    return nil
  }

  /// Chunks: 32-bit length, name, content, checksum.
  private static func exifInPNG(_ file: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    var at = 8
    while at + 12 <= file.count {
      let length = (0..<4).reduce(0) { $0 << 8 | Int(file[at + $1]) }
      guard length <= file.count - at - 12 else { return nil }
      if file[(at + 4)..<(at + 8)].elementsEqual("eXIf".utf8) { return file[(at + 8)..<(at + 8 + length)] }
      at += 12 + length
    }
    return nil
  }

  /// Chunks: name, 32-bit little-endian length, content, padded to an even size.
  private static func exifInWebP(_ file: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    var at = 12
    while at + 8 <= file.count {
      let length = (0..<4).reduce(0) { $0 | Int(file[at + 4 + $1]) << (8 * $1) }
      guard length <= file.count - at - 8 else { return nil }
      if file[at..<(at + 4)].elementsEqual("EXIF".utf8) {
        let content = file[(at + 8)..<(at + 8 + length)]
        return content.starts(with: "Exif\0\0".utf8) ? content.dropFirst(6) : content
      }
      at += 8 + length + length % 2
    }
    return nil
  }

  /// TIFF: byte order, 42, offset of the first directory; there, entries of 12 bytes: tag, type, count, value.
  /// BigTIFF: 43, and offset and counts of 8 bytes.
  private static func tag(inTIFF slice: Slice<UnsafeRawBufferPointer>) -> UInt16? {
    let tiff = UnsafeRawBufferPointer(rebasing: slice)
    guard tiff.count >= 8 else { return nil }
    let little = tiff[0] == 0x49
    guard tiff[0] == tiff[1], little || tiff[0] == 0x4D else { return nil }
    func number(_ at: Int, _ count: Int) -> Int {
      (0..<count).reduce(0) { $0 << 8 | Int(tiff[at + (little ? count - 1 - $1 : $1)]) }
    }
    let isBig = number(2, 2) == 43 && tiff.count >= 16
    let (head, size, value) = isBig ? (8, 20, 12) : (2, 12, 8)
    let directory = isBig ? number(8, 8) : number(4, 4)
    guard isBig || number(2, 2) == 42, directory >= 0, directory <= tiff.count - head else { return nil }
    // A count of 8 bytes may be more than an Int holds.
    for index in 0..<max(0, number(directory, head)) {
      let entry = directory + head + size * index
      guard entry + size <= tiff.count else { return nil }
      if number(entry, 2) == 0x0112, number(entry + 2, 2) == 3 { return UInt16(number(entry + value, 2)) }
    }
    return nil
  }
}

extension Orientation {
  /// The part of the stored picture that becomes `region` of the upright picture `whole`.
  package func stored(_ region: PixelRegion, of whole: PixelRegion) -> PixelRegion {
    let (width, height) = swapsSides ? (whole.height, whole.width) : (whole.width, whole.height)
    let (x0, y0) = origin(of: region.left, region.top, width, height)
    let (x1, y1) = origin(of: region.left + region.width - 1, region.top + region.height - 1, width, height)
    return PixelRegion(
      left: min(x0, x1), top: min(y0, y1), width: abs(x0 - x1) + 1, height: abs(y0 - y1) + 1)
  }

  /// Turns a stored picture of `width` x `height` RGB pixels upright; both buffers have the same size.
  package func turn(
    _ source: UnsafeRawBufferPointer, _ width: Int, _ height: Int, into out: UnsafeMutableRawBufferPointer
  ) {
    let (columns, rows) = swapsSides ? (height, width) : (width, height)
    var filled = 0
    for y in 0..<rows {
      for x in 0..<columns {
        let (sx, sy) = origin(of: x, y, width, height)
        let from = (sy * width + sx) * 3
        for channel in 0..<3 { out[filled + channel] = source[from + channel] }
        filled += 3
      }
    }
  }

  /// The stored position of the upright pixel (x, y), for a picture stored with this width and height.
  private func origin(of x: Int, _ y: Int, _ width: Int, _ height: Int) -> (Int, Int) {
    let (right, bottom) = (width - 1, height - 1)
    return switch self {
    case .upright: (x, y)
    case .mirrored: (right - x, y)
    case .upsideDown: (right - x, bottom - y)
    case .mirroredUpsideDown: (x, bottom - y)
    case .transposed: (y, x)
    case .needsRightTurn: (y, bottom - x)
    case .transversed: (right - y, bottom - x)
    case .needsLeftTurn: (right - y, x)
    }
  }
}
