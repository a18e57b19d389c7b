import Foundation
import Images
import Testing

/// A JPEG up to its first scan: one picture of this size, without tables or data.
private func jpegHeader(width: UInt16, height: UInt16, components: UInt8 = 3, frame: UInt8 = 0xC0) -> [UInt8]
{
  let numbers = (1...components).map { $0 }
  let size = [height, width].flatMap { bigEndian(UInt32($0)).suffix(2) }
  return [0xFF, 0xD8, 0xFF, frame, 0, 8 + 3 * components, 8] + size + [components]
    + numbers.flatMap { [$0, 0x11, 0] }
    + [0xFF, 0xDA, 0, 6 + 2 * components, components] + numbers.flatMap { [$0, 0] } + [0, 63, 0]
}

private func pngHeader(width: UInt32, height: UInt32) -> [UInt8] {
  let header = Array("IHDR".utf8) + bigEndian(width) + bigEndian(height) + [8, 2, 0, 0, 0]
  return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + bigEndian(13) + header
    + bigEndian(header.withUnsafeBytes { crc32($0) }) + [0, 0, 0, 0] + Array("IDAT".utf8) + [0, 0, 0, 0]
}

/// A lossless WebP's header: 14 bits for each side.
private func webpHeader(width: UInt32, height: UInt32) -> [UInt8] {
  let sides = (width - 1) | (height - 1) << 14
  let chunk =
    Array("VP8L".utf8) + bigEndian(10).reversed() + [0x2F] + bigEndian(sides).reversed() + [0, 0, 0, 0, 0]
  return Array("RIFF".utf8) + bigEndian(UInt32(4 + chunk.count)).reversed() + Array("WEBP".utf8) + chunk
}

private func decodeError(_ bytes: some ContiguousBytes, _ decoder: ImageDecoder = ImageDecoder())
  -> ImageError?
{
  do {
    _ = try decoder.decode(bytes)
    return nil
  } catch {
    return error
  }
}

@Suite("Damaged and hostile images")
struct DamagedImageTests {
  /// A file cut before its last pixel is an error; cut after that, it is the whole image or an error.
  @Test(arguments: [
    "jpeg 4:2:0", "jpeg progressive", "jpeg cmyk adobe", "png rgb 8", "png palette 4 interlaced",
    "webp lossy",
    "webp lossless", "webp animated",
  ])
  func cutAtAnyLengthAnImageIsAnErrorOrWhole(_ name: String) throws {
    let file = try DecodeCase.named(name).file
    let whole = try ImageDecoder().decode(file)
    for length in 0..<file.count {
      let cut = Data(file.prefix(length))
      guard let image = try? ImageDecoder().decode(cut) else { continue }
      #expect(image == whole, "\(name) cut to \(length) of \(file.count) bytes")
    }
    #expect(decodeError(file.prefix(file.count / 2))?.isTruncation == true)
  }

  @Test(arguments: DecodeCase.all)
  func flippedBytesNeverCrash(_ original: DecodeCase) {
    var random = SystemIndependentGenerator(state: 1)
    // A small limit: a flipped size must not make the test slow.
    let decoder = ImageDecoder(limits: DecodeLimits(maxPixels: 100_000), appliesOrientation: true)
    for _ in 0..<40 {
      var file = original.file
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        file[Int.random(in: 0..<file.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      guard let image = try? decoder.decode(file) else { continue }
      #expect(image.width * image.height <= 100_000)
    }
  }

  @Test func aHugeSizeIsRefusedFromTheHeader() {
    #expect(
      decodeError(jpegHeader(width: 65500, height: 65500))
        == .tooManyPixels(width: 65500, height: 65500, limit: 100_000_000))
    let most = UInt32(Int32.max)
    #expect(
      decodeError(pngHeader(width: most, height: most))
        == .tooManyPixels(width: Int(most), height: Int(most), limit: 100_000_000))
    #expect(
      decodeError(webpHeader(width: 16384, height: 16384))
        == .tooManyPixels(width: 16384, height: 16384, limit: 100_000_000))
    let unlimited = ImageDecoder(limits: DecodeLimits(maxPixels: .max))
    #expect(
      decodeError(pngHeader(width: most, height: most), unlimited)
        == .tooManyPixels(width: Int(most), height: Int(most), limit: Int(Int32.max)))
  }

  @Test func aPictureOfExactlyTheLimitIsAllowed() throws {
    let file = try DecodeCase.named("png rgb 8")
    let pixels = file.width * file.height
    #expect(decodeError(file.file, ImageDecoder(limits: DecodeLimits(maxPixels: pixels))) == nil)
    #expect(
      decodeError(file.file, ImageDecoder(limits: DecodeLimits(maxPixels: pixels - 1)))
        == .tooManyPixels(width: file.width, height: file.height, limit: pixels - 1))
  }

  @Test func scansWithoutEndAreRefused() throws {
    let file = try DecodeCase.named("jpeg progressive").file
    let decoder = ImageDecoder(limits: DecodeLimits(maxProgressiveScans: 3))
    #expect(decodeError(file, decoder) == .tooManyScans(limit: 3))
  }

  @Test func aFileOverTheLimitIsNotRead() throws {
    let file = try DecodeCase.named("png rgb 8").file
    let decoder = ImageDecoder(limits: DecodeLimits(maxFileBytes: file.count - 1))
    let expected = ImageError.fileTooLarge(bytes: file.count, limit: file.count - 1)
    #expect(decodeError(file, decoder) == expected)
    try withTemporaryFile(file) { path in
      #expect(throws: ImageError.inFile(path: path, expected)) { try decoder.decode(contentsOf: path) }
    }
  }

  @Test func kindsThatAreNotDecodedAreNamed() {
    #expect(
      decodeError(jpegHeader(width: 8, height: 8, components: 2))
        == .unsupported(.jpeg, detail: "neither 1, 3 nor 4 colour components"))
    // SOF3, lossless: libjpeg-turbo 2 does not know it, 3 misses the pixels.
    #expect(decodeError(jpegHeader(width: 8, height: 8, frame: 0xC3)) != nil)
    #expect(decodeError(Array("GIF89a..".utf8)) == .unknownFormat(firstBytes: Array("GIF89a..".utf8)))
    #expect(decodeError([0xFF]) == .unknownFormat(firstBytes: [0xFF]))
    #expect(decodeError([]) == .empty)
  }

  @Test func contradictionsAreCorruptNotTruncated() throws {
    #expect(
      decodeError(pngHeader(width: 0, height: 5))
        == .corrupt(.png, detail: "its header gives an impossible size"))
    var png = try DecodeCase.named("png rgb 8").file
    png[17] ^= 1
    #expect(decodeError(png) == .corrupt(.png, detail: "IHDR: CRC error"))
  }
}

extension ImageError {
  fileprivate var isTruncation: Bool { if case .truncated = self { true } else { false } }
}

/// Knuth's MMIX linear congruential generator: the same flips on every machine.
private struct SystemIndependentGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
