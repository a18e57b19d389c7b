import Files

/// A JPEG up to its first scan: one picture of this size, without tables or data.
func jpegHeader(width: UInt16, height: UInt16, components: UInt8 = 3, frame: UInt8 = 0xC0) -> [UInt8] {
  let numbers = (1...components).map { $0 }
  let size = [height, width].flatMap { bigEndian(UInt32($0)).suffix(2) }
  return [0xFF, 0xD8, 0xFF, frame, 0, 8 + 3 * components, 8] + size + [components]
    + numbers.flatMap { [$0, 0x11, 0] }
    + [0xFF, 0xDA, 0, 6 + 2 * components, components] + numbers.flatMap { [$0, 0] } + [0, 63, 0]
}

func pngHeader(width: UInt32, height: UInt32) -> [UInt8] {
  pngStart(width: width, height: height) + [0, 0, 0, 0] + Array("IDAT".utf8) + [0, 0, 0, 0]
}

/// Signature and header chunk: 8-bit RGB unless told.
func pngStart(
  width: UInt32, height: UInt32, bits: UInt8 = 8, colour: UInt8 = 2, interlaced: Bool = false
) -> [UInt8] {
  [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    + pngChunk("IHDR", bigEndian(width) + bigEndian(height) + [bits, colour, 0, 0, interlaced ? 1 : 0])
}

func pngChunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
  let content = Array(name.utf8) + body
  return bigEndian(UInt32(body.count)) + content + bigEndian(content.withUnsafeBytes { crc32($0) })
}

/// A zlib stream of bytes as they are (RFC 1951, 3.2.4), at most 65535.
func zlibStored(_ bytes: [UInt8]) -> [UInt8] {
  let length = [UInt8(bytes.count & 255), UInt8(bytes.count >> 8)]
  var (a, b): (UInt32, UInt32) = (1, 0)
  for byte in bytes { (a, b) = ((a + UInt32(byte)) % 65521, (a + UInt32(byte) + b) % 65521) }
  return [0x78, 1, 1] + length + length.map { ~$0 } + bytes + bigEndian(b << 16 | a)
}

/// A zlib stream of zeros, 1 + 258 * `runs` of them, without its end: the literal 0, then runs of the longest match at
/// distance 1 in the fixed codes of RFC 1951, 3.2.6 (the literal 00110000, the length 11000101, the distance 00000).
func zlibZeros(runs: Int) -> [UInt8] {
  var (out, bits, count): ([UInt8], UInt32, UInt32) = ([0x78, 1], 0, 0)
  func put(_ code: UInt32, _ length: UInt32) {
    for bit in (0..<length).reversed() {
      bits |= (code >> bit & 1) << count
      count += 1
      if count == 8 {
        out.append(UInt8(bits))
        (bits, count) = (0, 0)
      }
    }
  }
  put(0b110, 3)  // last block, fixed codes
  put(0b0011_0000, 8)
  for _ in 0..<runs {
    put(0b1100_0101, 8)
    put(0, 5)
  }
  put(0, 7)  // end of block
  put(0, 8)
  return out
}

/// A lossless WebP's header: 14 bits for each side.
func webpHeader(width: UInt32, height: UInt32) -> [UInt8] {
  let sides = (width - 1) | (height - 1) << 14
  let chunk =
    Array("VP8L".utf8) + bigEndian(10).reversed() + [0x2F] + bigEndian(sides).reversed() + [0, 0, 0, 0, 0]
  return Array("RIFF".utf8) + bigEndian(UInt32(4 + chunk.count)).reversed() + Array("WEBP".utf8) + chunk
}
