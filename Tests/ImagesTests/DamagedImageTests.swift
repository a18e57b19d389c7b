import Foundation
import Images
import TestSupport
import Testing

func decodeError(_ bytes: some ContiguousBytes, _ decoder: ImageDecoder = ImageDecoder())
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
  /// A file cut before its last pixel is an error; cut after that, it is the whole image or an error. (Only maps in
  /// text may end inside of a number without a sign of it.)
  @Test(arguments: [
    "jpeg 4:2:0", "jpeg progressive", "jpeg cmyk adobe", "png rgb 8", "png palette 4 interlaced",
    "webp lossy",
    "webp lossless", "webp animated", "tiff rgb", "tiff rgb tiff_lzw", "tiff rgb tiles deflate", "bmp rgb",
    "bmp runs 8", "gif palette", "pnm rgb", "avif 4:4:4",
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
    #expect(decodeError(Array("%PDF-1.4".utf8)) == .unknownFormat(firstBytes: Array("%PDF-1.4".utf8)))
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
