import Foundation
import Images
import TestSupport
import Testing

@Suite struct LabelImageTests {
  private func labels(_ png: Data) throws -> LabelImage {
    try withTemporaryFile(png) { try LabelImage(contentsOf: $0) }
  }

  private func failure(_ png: Data, _ limits: DecodeLimits = DecodeLimits()) throws -> ImageError {
    try withTemporaryFile(png) { path in
      do {
        _ = try LabelImage(contentsOf: path, limits: limits)
        throw Unthrown()
      } catch let error as ImageError { return error.reason }
    }
  }

  @Test(arguments: [1, 2, 4, 8, 16])
  func samplesOfEveryDepthAreReadAsTheyAre(depth: Int) throws {
    let most = (1 << depth) - 1
    let numbers = [0, most, most / 2, 1, most, 0]
    let image = try labels(labelPNG(numbers, width: 3, depth: depth, colour: 0))
    #expect(image.width == 3 && image.height == 2)
    #expect(image.labels == numbers.map { UInt16($0) })
  }

  /// Indices, not colours.
  @Test func aPaletteGivesItsIndices() throws {
    let image = try labels(labelPNG([0, 2, 1, 1], width: 2, depth: 8, colour: 3))
    #expect(image.labels == [0, 2, 1, 1])
  }

  @Test func otherPicturesAreErrors() throws {
    let good = labelPNG([0, 300, 1, 1], width: 2, depth: 16, colour: 0)
    let colours = try RGBImage(width: 2, height: 2, pixels: Array(repeating: 9, count: 12)).pngData()
    #expect(
      try failure(colours) == .noLabels(.png, detail: "it has colours, and not a number for each pixel"))
    #expect(try failure(good.dropLast(30)) == .truncated(.png))
    #expect(
      try failure(Data("P5 1 1 255 a".utf8)) == .noLabels(.pnm, detail: "labels are read from PNG alone"))
    #expect(
      try failure(good, DecodeLimits(maxPixels: 3)) == .tooManyPixels(width: 2, height: 2, limit: 3))
    var damaged = good
    damaged[45] ^= 0xFF  // in the pixels' zlib stream
    guard case .corrupt(.png, _) = try failure(damaged) else {
      Issue.record("a damaged file was read")
      return
    }
  }
}

/// A PNG without compression: zlib's stored block.
private func labelPNG(_ numbers: [Int], width: Int, depth: Int, colour: UInt8) -> Data {
  var raw: [UInt8] = []
  for row in stride(from: 0, to: numbers.count, by: width) {
    var bits: [Int] = []
    for number in numbers[row..<row + width] { bits += (0..<depth).reversed().map { number >> $0 & 1 } }
    while bits.count % 8 != 0 { bits.append(0) }
    raw.append(0)
    raw += stride(from: 0, to: bits.count, by: 8).map { at in
      bits[at..<at + 8].reduce(0) { $0 << 1 | UInt8($1) }
    }
  }
  var (a, b) = (UInt32(1), UInt32(0))
  for byte in raw { (a, b) = ((a + UInt32(byte)) % 65521, (b + (a + UInt32(byte)) % 65521) % 65521) }
  let length = UInt16(raw.count)
  var zlib: [UInt8] = [0x78, 0x01, 1]
  zlib += bigEndian(length).reversed() + bigEndian(~length).reversed() + raw + bigEndian(b << 16 | a)
  let height = numbers.count / width
  let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [UInt8(depth), colour, 0, 0, 0]
  let palette: [UInt8] = [0, 0, 0, 255, 0, 0, 0, 255, 0]
  return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) + chunk("IHDR", header)
    + (colour == 3 ? chunk("PLTE", palette) : Data()) + chunk("IDAT", zlib) + chunk("IEND", [])
}

private func chunk(_ name: String, _ content: [UInt8]) -> Data {
  let named = Array(name.utf8) + content
  var crc = UInt32.max
  for byte in named {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  return Data(bigEndian(UInt32(content.count)) + named + bigEndian(~crc))
}

private func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}
