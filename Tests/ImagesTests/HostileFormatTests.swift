import Foundation
import Images
import TestSupport
import Testing

/// TIFF, BMP, GIF, PNM and AVIF files that contradict themselves or want too much: each is refused in words that are
/// tested, before its memory is taken.
@Suite("Hostile TIFF, BMP, GIF, PNM and AVIF", .serialized)
struct HostileFormatTests {
  @Test func headersOfHugePicturesAreRefused() throws {
    let side = 60000
    for file in [
      HandmadeTIFF(width: side, height: side).bytes, bmp(width: side, height: side),
      gif(canvas: (side, side), frame: (0, 0, 1, 1), codes: [2]),
      gif(canvas: (1, 1), frame: (0, 0, side, side), codes: [2]), Array("P5 60000 60000 255 ".utf8),
      Array("P1 60000 60000 ".utf8),
    ] {
      let error = try withoutMuchMemory { decodeError(file) }
      #expect(error == .tooManyPixels(width: side, height: side, limit: 100_000_000))
    }
  }

  @Test func filesThatEndTooEarlyAreSaidToDo() {
    #expect(decodeError(Array("II*\0".utf8) + [0, 1, 0, 0]) == .truncated(.tiff))
    #expect(decodeError(Array("MM\0+".utf8) + [0, 8, 0, 0]) == .truncated(.tiff))
    #expect(decodeError(Array(HandmadeTIFF(width: 9, height: 9).bytes)) == .truncated(.tiff))
    #expect(decodeError(bmp(width: 9, height: 9)) == .truncated(.bmp))
    #expect(decodeError(Array("GIF89a".utf8)) == .truncated(.gif))
    #expect(decodeError(Array("P6 2 2 255 ".utf8) + [1, 2]) == .truncated(.pnm))
    #expect(decodeError(Array("P2 2 2 255 1 2 3".utf8)) == .truncated(.pnm))
  }

  // MARK: - TIFF

  @Test func aLoopOfDirectoriesIsNotFollowed() throws {
    var file = HandmadeTIFF(width: 2, height: 2)
    (file.data, file.next) = ([1, 2, 3, 4], 8)
    #expect(try ImageDecoder().decode(file.bytes).pixels == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
  }

  @Test func aTileLargerThanThePictureIsWeighedFirst() throws {
    var file = HandmadeTIFF(width: 8, height: 8)
    file.tile(side: 60000)
    file.tags[259] = 8  // deflate
    #expect(try withoutMuchMemory { decodeError(file.bytes) } == .tooMuchWork(.tiff, limit: 400_000_000))
    // Not packed, it is only too short.
    file.tags[259] = 1
    #expect(try withoutMuchMemory { decodeError(file.bytes) } == .truncated(.tiff))
    file.tile(side: 1024)
    file.tags[259] = 8
    let limits = DecodeLimits(maxDecodeBytes: 1 << 20)
    // The tile, a row of samples, and the picture.
    #expect(
      decodeError(file.bytes, ImageDecoder(limits: limits))
        == .tooMuchMemory(bytes: 1024 * 1024 + 1024 + 8 * 8 * 3, limit: 1 << 20))
  }

  @Test func directoriesThatMakeNoSenseAreCorrupt() {
    var file = HandmadeTIFF(width: 2, height: 2)
    file.data = [1, 2, 3, 4]
    file.tags[256] = 0
    #expect(decodeError(file.bytes) == .corrupt(.tiff, detail: "its directory gives no possible size"))
    file.tags[256] = nil
    #expect(decodeError(file.bytes) == .corrupt(.tiff, detail: "its directory gives no possible size"))
    let empty: [UInt8] = Array("II*\0".utf8) + [0, 0, 0, 0]
    #expect(decodeError(empty) == .corrupt(.tiff, detail: "it has no directory"))
  }

  @Test(arguments: [
    ([277: 6, 262: 2], "it has 6 bands, and 1, 3 or 4 are read"),
    ([259: 34925], "compression 34925"), ([259: 6], "compression 6"),
    ([262: 8], "colours of kind 8 with 1 samples a pixel"),
    ([258: 5], "samples of 5 bits and kind 1"), ([258: 16, 339: 3], "samples of 16 bits and kind 3"),
    ([258: 32, 339: 3], "32-bit float samples need --depth window:LO,HI"),
    ([258: 32], "32-bit unsigned samples need --depth window:LO,HI"),
    ([258: 16, 339: 2], "16-bit signed samples need --depth window:LO,HI"),
  ])
  func kindsThatAreNotReadAreNamed(_ tags: [Int: Int], _ detail: String) {
    var file = HandmadeTIFF(width: 2, height: 2)
    file.tags.merge(tags) { $1 }
    file.data = Array(repeating: 0, count: 64)
    #expect(decodeError(file.bytes) == .unsupported(.tiff, detail: detail))
    #expect(
      "\(ImageError.unsupported(.tiff, detail: detail))"
        == "this kind of TIFF image is not supported (\(detail))"
        + (detail.hasSuffix("--depth window:LO,HI") ? "" : "; save it as plain 8-bit RGB"))
  }

  // MARK: - BMP

  @Test func aPaletteOfBillionsIsNotRead() throws {
    let palette = (0..<1024).map { UInt8(truncatingIfNeeded: $0) }
    let file = bmp(
      width: 1, height: 1, bits: 8, colours: 0x7FFF_FFFF, palette: palette, pixels: [3, 0, 0, 0])
    #expect(try withoutMuchMemory { try ImageDecoder().decode(file) }.pixels == [14, 13, 12])
    // Where the pixels would come behind all of it.
    let far = bmp(width: 1, height: 1, bits: 8, colours: 0x7FFF_FFFF)
    #expect(try withoutMuchMemory { decodeError(far) } == .truncated(.bmp))
  }

  @Test func runsStayInsideThePicture() throws {
    let palette: [UInt8] = [0, 0, 0, 0, 9, 9, 9, 0]
    func decoded(_ runs: [UInt8]) throws -> [UInt8] {
      try ImageDecoder().decode(
        bmp(width: 2, height: 2, bits: 8, compression: 1, colours: 2, palette: palette, pixels: runs)
      ).pixels
    }
    let lower: [UInt8] = Array(repeating: 0, count: 6) + Array(repeating: 9, count: 6)
    // 255 pixels in a row of two, a jump far beyond the picture, and pixels there.
    #expect(try decoded([255, 1, 0, 2, 255, 255, 255, 1, 0, 1]) == lower)
    #expect(try decoded([255, 1, 0, 0, 0, 0, 255, 1]) == lower)
    // The end comes early.
    #expect(try decoded([2, 1, 0, 1]) == lower)
    #expect(
      decodeError(
        bmp(width: 2, height: 2, bits: 8, compression: 1, colours: 2, palette: palette, pixels: [2, 1]))
        == .truncated(.bmp))
  }

  @Test func otherBitmapsAreNamed() {
    #expect(
      decodeError(bmp(width: 1, height: 1, compression: 4))
        == .unsupported(.bmp, detail: "compression 4"))
    #expect(
      decodeError(bmp(width: 1, height: 1, bits: 3)) == .unsupported(.bmp, detail: "bits of a pixel: 3"))
    #expect(
      decodeError(bmp(width: 0, height: 1))
        == .corrupt(.bmp, detail: "its header gives an impossible size"))
    #expect(decodeError(bmp(width: 1, height: 1, size: 41))?.isUnknownFormat == true)
    // A height of −2^31 has no positive counterpart in 32 bits.
    #expect(
      decodeError(bmp(width: 1, height: -0x8000_0000))
        == .corrupt(.bmp, detail: "its header gives an impossible size"))
  }

  // MARK: - GIF

  @Test func codesThatMakeNoSenseAreCorrupt() {
    func error(_ codes: [UInt8], side: Int = 2) -> ImageError? {
      decodeError(gif(canvas: (side, side), frame: (0, 0, side, side), codes: codes))
    }
    #expect(error([12, 1, 0, 0]) == .corrupt(.gif, detail: "its codes are of no legal size"))
    // Codes of 3 bits: 4 clears the table, 5 ends, 6 is the first new one.
    #expect(error([2, 1, 0b00_110_100, 0]) == .corrupt(.gif, detail: "a code is not in its table"))
    #expect(error([2, 1, 0b00_101_100, 0]) == .corrupt(.gif, detail: "it ends before its pixels do"))
    #expect(error([2, 1, 0b00_000_100, 0]) == .corrupt(.gif, detail: "it ends before its pixels do"))
    #expect(error([2, 9, 0b00_000_100]) == .truncated(.gif))
    #expect(
      decodeError(gif(canvas: (1, 1), frame: (0, 0, 0, 1), codes: [2]))
        == .corrupt(.gif, detail: "its first frame is empty"))
    #expect(
      decodeError(gif(canvas: (1, 1), frame: (0, 0, 1, 1), codes: [2], before: [0x99]))
        == .corrupt(.gif, detail: "it holds no frame"))
  }

  /// A code table whose strings grow by one each time: 2^11 codes would give two million pixels, of which the picture
  /// takes its own.
  @Test func stringsLongerThanThePictureAreCut() throws {
    var bits: [Bool] = []
    func put(_ code: Int, _ length: Int) { for bit in 0..<length { bits.append(code >> bit & 1 == 1) } }
    put(4, 3)
    put(1, 3)
    // Each code names the one that it makes: 1, 11, 111 …
    for code in 6..<4096 { put(code, Int.bitWidth - code.leadingZeroBitCount) }
    var bytes: [UInt8] = Array(repeating: 0, count: (bits.count + 7) / 8)
    for (place, bit) in bits.enumerated() where bit { bytes[place / 8] |= 1 << UInt8(place % 8) }
    var pieces: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 255) {
      let piece = bytes[start..<min(start + 255, bytes.count)]
      pieces += [UInt8(piece.count)] + piece
    }
    let image = try withoutMuchMemory {
      try ImageDecoder().decode(gif(canvas: (300, 300), frame: (0, 0, 300, 300), codes: [2] + pieces + [0]))
    }
    #expect(image.pixels == Array(repeatElement([3, 4, 5], count: 90_000).joined()))
  }

  // MARK: - PNM

  @Test(arguments: [
    "P5 0 1 255 ", "P5 1 0 255 ", "P5 1 1 0 ", "P5 1 1 65536 ", "P5 99999999999999999999 1 255 ",
    "P5 -1 1 255 ",
    "P5 1x 1 255 ", "P7 1 1 255 ",
  ])
  func headersThatMakeNoSense(_ text: String) {
    let error = decodeError(Array(text.utf8) + [1, 2, 3])
    if text.hasPrefix("P7") {
      #expect(error?.isUnknownFormat == true)
    } else {
      #expect(error == .corrupt(.pnm, detail: "its header is no portable map's"))
    }
  }

  @Test func valuesAboveWhiteAndWordsAreCorrupt() {
    for text in ["P2 2 1 9 9 10", "P2 2 1 9 1 a", "P1 2 1 0 2", "P3 1 1 9 1 -1 1"] {
      #expect(
        decodeError(Array(text.utf8)) == .corrupt(.pnm, detail: "a value is no number in its range"),
        "\(text)")
    }
  }

  // MARK: - AVIF

  @Test func boxesThatMakeNoSenseAreCorrupt() throws {
    var file = try DecodeCase.named("avif 4:4:4").file
    let place = try #require(file.firstRange(of: Data("ispe".utf8))).upperBound + 4
    func claim(side: UInt32) {
      file.replaceSubrange(place..<place + 8, with: bigEndian(side) + bigEndian(side))
    }
    claim(side: 60000)
    // 60000 x 60000 is beyond libavif's own limit.
    guard case .corrupt(.avif, _) = try withoutMuchMemory({ decodeError(file) }) else {
      Issue.record("\(String(describing: decodeError(file)))")
      return
    }
    claim(side: 15000)
    #expect(
      try withoutMuchMemory { decodeError(file) }
        == .tooManyPixels(width: 15000, height: 15000, limit: 100_000_000))
  }

  @Test func anAVIFsMemoryIsWeighedFirst() throws {
    let file = try DecodeCase.named("avif 4:4:4")
    let bytes = file.width * file.height * (3 + 6)
    let found = decodeError(file.file, ImageDecoder(limits: DecodeLimits(maxDecodeBytes: bytes - 1)))
    #expect(found == .tooMuchMemory(bytes: bytes, limit: bytes - 1))
    #expect(decodeError(file.file, ImageDecoder(limits: DecodeLimits(maxDecodeBytes: bytes))) == nil)
  }
}

extension ImageError {
  fileprivate var isUnknownFormat: Bool { if case .unknownFormat = self { true } else { false } }
}
