import Foundation

private func little(_ value: Int, _ bytes: Int) -> [UInt8] {
  (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// A little-endian TIFF of one directory, all of whose tags hold one number: shorts up to 65535, else longs. `data`
/// stands behind it.
struct HandmadeTIFF {
  /// 8-bit gray in one strip.
  var tags: [Int: Int]
  var data: [UInt8] = []
  var next = 0

  init(width: Int, height: Int) {
    tags = [
      256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: width * height,
    ]
  }

  /// The same as tiles of this side instead.
  mutating func tile(side: Int) {
    for tag in [273, 278, 279] { tags[tag] = nil }
    (tags[322], tags[323], tags[324], tags[325]) = (side, side, 0, 4)
  }

  var bytes: [UInt8] {
    let end = 8 + 2 + 12 * tags.count + 4
    let entries = tags.sorted { $0.key < $1.key }.flatMap { tag, value in
      let value = (tag == 273 || tag == 324) && value == 0 ? end : value
      let isLong = value > 65535 || [256, 257, 273, 324].contains(tag)
      return little(tag, 2) + little(isLong ? 4 : 3, 2) + little(1, 4) + little(value, 4)
    }
    return Array("II*\0".utf8) + little(8, 4) + little(tags.count, 2) + entries + little(next, 4) + data
  }
}

/// A BMP whose pixels, or what stands for them, follow the palette.
func bmp(
  width: Int, height: Int, bits: Int = 24, compression: Int = 0, colours: Int = 0, palette: [UInt8] = [],
  size: Int = 40, pixels: [UInt8] = []
) -> [UInt8] {
  let offset = 14 + 40 + palette.count
  let head =
    little(size, 4) + little(width, 4) + little(height, 4) + little(1, 2) + little(bits, 2)
    + little(compression, 4) + little(0, 12) + little(colours, 4) + little(0, 4)
  return Array("BM".utf8) + little(offset + pixels.count, 4) + little(0, 4) + little(offset, 4) + head
    + palette
    + pixels
}

/// A GIF of one frame with a palette of four colours. `codes` is the frame's data: the size of its codes, then
/// pieces.
func gif(
  canvas: (Int, Int), frame: (left: Int, top: Int, width: Int, height: Int), codes: [UInt8],
  before: [UInt8] = []
) -> [UInt8] {
  Array("GIF89a".utf8) + little(canvas.0, 2) + little(canvas.1, 2) + [0x81, 0, 0] + (0..<12).map { UInt8($0) }
    + before + [0x2C] + little(frame.left, 2) + little(frame.top, 2) + little(frame.width, 2)
    + little(frame.height, 2) + [0] + codes
}
