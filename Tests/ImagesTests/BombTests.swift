import Foundation
import Images
import TestSupport
import Testing

/// Small files that ask for much. Each is refused, or decoded, without taking the memory or time it asks for.
@Suite("Decompression bombs", .serialized)
struct BombTests {
  @Test func headersOfHugePicturesAreRefused() throws {
    let most = UInt32(Int32.max)
    for file in [
      jpegHeader(width: 65500, height: 65500), jpegHeader(width: 65500, height: 65500, frame: 0xC2),
      pngHeader(width: most, height: most), webpHeader(width: 16384, height: 16384),
    ] {
      let error = try withoutMuchMemory { decodeError(file) }
      guard case .tooManyPixels(_, _, limit: 100_000_000) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  /// Half a megabyte that unpacks to 70 MB.
  private static let packedZeros = zlibZeros(runs: 270_000)

  @Test(arguments: ["iCCP", "zTXt", "iTXt"])
  func packedTextAndProfilesOfAPNGStayPacked(_ name: String) throws {
    let start: [UInt8] = Array("name".utf8) + (name == "iTXt" ? [0, 1, 0, 0, 0] : [0, 0])
    let pixels = pngChunk("IDAT", zlibStored([0, 1, 2, 3]))
    for file in [
      pngStart(width: 1, height: 1) + pngChunk(name, start + Self.packedZeros) + pixels,
      pngStart(width: 1, height: 1) + pixels + pngChunk(name, start + Self.packedZeros),
    ] {
      let image = try withoutMuchMemory { try ImageDecoder().decode(file) }
      #expect(image.pixels == [1, 2, 3])
    }
  }

  @Test func pixelsAfterTheLastRowAreNotUnpacked() throws {
    let file = pngStart(width: 9, height: 1) + pngChunk("IDAT", Self.packedZeros)
    let image = try withoutMuchMemory { try ImageDecoder().decode(file) }
    #expect(image.pixels == Array(repeating: 0, count: 27))
  }

  @Test func scansAreCountedBeforeTheyAreDecoded() throws {
    let scan = Array(jpegHeader(width: 1, height: 1).suffix(14))
    let end: [UInt8] = [0xFF, 0xD9]
    let many = jpegHeader(width: 8, height: 8, frame: 0xC2) + repeated(scan, 3000) + end
    let tooMany = try withoutMuchMemory { decodeError(many) }
    #expect(tooMany == .tooManyScans(limit: 100))
    // 16 megapixels: coefficients and pixels would take 150 MB.
    let large = jpegHeader(width: 4000, height: 4000, frame: 0xC2)
    let tooLong = try withoutMuchMemory { decodeError(large + repeated(scan, 25) + end) }
    #expect(tooLong == .tooMuchWork(.jpeg, limit: 400_000_000))
    // One scan less is exactly the limit; then the file fails only for the tables it lacks.
    let found3 = decodeError(large + repeated(scan, 24) + end)
    #expect(found3 == .corrupt(.jpeg, detail: "Quantization table 0x00 was not defined"))
  }

  @Test func aPNGsBytesBeforeCompressionAreBounded() throws {
    // 30 megapixels of 16-bit RGBA, 240 MB.
    let wide = pngStart(width: 6000, height: 5000, bits: 16, colour: 6) + pngChunk("IDAT", [0x78])
    let error = ImageError.tooMuchWork(.png, limit: 400_000_000)
    let found3 = try withoutMuchMemory { decodeError(wide) }
    #expect(found3 == error)
    // 110 megapixels of 8-bit gray, four units each.
    let gray = pngStart(width: 11000, height: 10000, colour: 0, interlaced: true) + pngChunk("IDAT", [0x78])
    let decoder = ImageDecoder(limits: DecodeLimits(maxPixels: 110_000_000))
    let found4 = try withoutMuchMemory { decodeError(gray, decoder) }
    #expect(found4 == error)
  }

  @Test func memoryForCoefficientsAndInterlacingIsBounded() throws {
    // Progressive 4:4:4, 60 megapixels: 9 bytes each and a little for the last blocks.
    let progressive = jpegHeader(width: 10000, height: 6000, frame: 0xC2) + [0xFF, 0xD9]
    let limit = 320 << 20
    guard case .tooMuchMemory(let bytes, limit) = try withoutMuchMemory({ decodeError(progressive) }) else {
      Issue.record("not refused for its memory")
      return
    }
    #expect((540_000_000...541_000_000).contains(bytes))
    // Interlaced, 60 megapixels of gray: three bytes for the picture and as many for the canvas.
    let interlaced =
      pngStart(width: 10000, height: 6000, colour: 0, interlaced: true) + pngChunk("IDAT", [0x78])
    let found5 = try withoutMuchMemory { decodeError(interlaced) }
    #expect(found5 == .tooMuchMemory(bytes: 360_000_000, limit: limit))
  }

  @Test func theMemoryLimitIsTheFilesWhateverTheRegion() throws {
    let file = try #require(RegionCase.all.first { $0.name == "4:2:0 progressive" }).bytes
    guard
      case .tooMuchMemory(let bytes, limit: 1) = decodeError(
        file, ImageDecoder(limits: DecodeLimits(maxDecodeBytes: 1)))
    else {
      Issue.record("decoded within a byte")
      return
    }
    for (limit, isAllowed) in [(bytes, true), (bytes - 1, false)] {
      let decoder = ImageDecoder(limits: DecodeLimits(maxDecodeBytes: limit))
      let part = try? file.withUnsafeBytes {
        try decoder.withPixels(of: $0, using: DecodeScratch()) { _, _ in
          PixelRegion(left: 0, top: 0, width: 1, height: 1)
        } _: {
          $0.bytes.count
        }
      }
      #expect(part == (isAllowed ? 3 : nil))
      #expect((decodeError(file, decoder) == nil) == isAllowed)
    }
  }

  @Test func aPhotographOfTwentyFourMegapixelsInTenScansPasses() {
    let limits = DecodeLimits()
    #expect(24_000_000 * 10 <= limits.maxWork)
    // 4:4:4 and not upright.
    #expect(24_000_000 * (6 + 6) <= limits.maxDecodeBytes)
  }

  private func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    Array(repeatElement(bytes, count: count).joined())
  }
}

@Suite("PNG as a stream")
struct PNGStreamTests {
  /// All pixels are there, and what zlib and PNG put behind them is not.
  @Test func aFileMayEndAfterItsLastPixel() throws {
    let rows: [UInt8] = [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]
    let stream = zlibStored(rows)
    let start = pngStart(width: 2, height: 2)
    let file = start + bigEndian(UInt32(stream.count)) + Array("IDAT".utf8) + stream
    // zlib's checksum of 4 bytes comes last.
    for missing in 0...4 {
      #expect(try ImageDecoder().decode(file.dropLast(missing)).pixels == Array(1...12), "\(missing) missing")
    }
    #expect(decodeError(Array(file.dropLast(5))) == .truncated(.png))
  }

  @Test func pixelsMayLackInAWholeFile() {
    let file =
      pngStart(width: 2, height: 2) + pngChunk("IDAT", zlibStored([0, 1, 2, 3, 4, 5, 6]))
      + pngChunk("IEND", [])
    #expect(decodeError(file) == .corrupt(.png, detail: "it ends before its pixels do"))
  }

  /// Adam7 leaves out passes of small pictures; the reader must still know the last row.
  @Test func smallInterlacedPicturesOfEverySizeAreWhole() throws {
    let passes = [
      (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ]
    for width in 1...9 {
      for height in 1...9 {
        var rows: [UInt8] = []
        for (left, top, across, down) in passes where left < width {
          for y in stride(from: top, to: height, by: down) {
            rows += [0] + stride(from: left, to: width, by: across).map { UInt8(y * width + $0) }
          }
        }
        let file =
          pngStart(width: UInt32(width), height: UInt32(height), colour: 0, interlaced: true)
          + pngChunk("IDAT", zlibStored(rows))
        let image = try ImageDecoder().decode(file)
        #expect(image.pixels == (0..<width * height).flatMap { [UInt8](repeating: UInt8($0), count: 3) })
        #expect(decodeError(Array(file.dropLast(4 + 4 + 1))) == .truncated(.png), "\(width) x \(height)")
      }
    }
  }
}

/// Runs `body` and expects the process never to have grown by 32 MB meanwhile, other tests' little included.
func withoutMuchMemory<Value>(_ body: () throws -> Value) throws -> Value {
  try TestSupport.withoutMuchMemory(32 << 20, body)
}
