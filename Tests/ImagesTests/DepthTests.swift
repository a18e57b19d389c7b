import Foundation
import Images
import Testing

@Suite("Samples of more than 8 bits")
struct DepthTests {
  @Test(arguments: [
    ("auto", Depth.automatic), ("8", .bits(8)), ("12", .bits(12)), ("16", .bits(16)),
    ("window:0,4095", .window(low: 0, high: 4095)), ("window:-1000,0.5", .window(low: -1000, high: 0.5)),
  ])
  func itsTextIsReadAndWritten(_ text: String, _ depth: Depth) throws {
    #expect(Depth(text) == depth)
    #expect(depth.description == text)
    #expect(try JSONDecoder().decode([Depth].self, from: JSONEncoder().encode([depth])) == [depth])
  }

  @Test(arguments: [
    "", "7", "17", "12 bits", "window:5,5", "window:9,1", "window:1", "window:nan,1", "window:0,inf", "Auto",
  ])
  func otherTextIsRefused(_ text: String) { #expect(Depth(text) == nil) }

  /// A PNG of one row, 16-bit gray.
  private func png(_ samples: [UInt16]) -> [UInt8] {
    var row: [UInt8] = [0]
    for sample in samples { row += [UInt8(sample >> 8), UInt8(sample & 255)] }
    return pngStart(width: UInt32(samples.count), height: 1, bits: 16, colour: 0)
      + pngChunk("IDAT", zlibStored(row))
  }

  private func grays(_ file: some ContiguousBytes, _ depth: Depth) throws -> [UInt8] {
    let pixels = try ImageDecoder(depth: depth).decode(file).pixels
    return stride(from: 0, to: pixels.count, by: 3).map { pixels[$0] }
  }

  @Test func gray16KeepsAllItsLevelsUnlessTold() throws {
    let file = png([0, 255, 256, 4095, 32768, 65535])
    #expect(try grays(file, .automatic) == [0, 0, 1, 15, 128, 255])
    #expect(try grays(file, .bits(16)) == [0, 0, 1, 15, 128, 255])
    // 4095 / 4095, and 255 / 4095 * 255 = 15.9.
    #expect(try grays(file, .bits(12)) == [0, 16, 16, 255, 255, 255])
    // Pillow's conversion.
    #expect(try grays(file, .bits(8)) == [0, 255, 255, 255, 255, 255])
    #expect(try grays(file, .window(low: 255, high: 256)) == [0, 0, 255, 255, 255, 255])
  }

  /// The reported fault: 12-bit X-rays in 16-bit PNGs came out white, 250.8 of 255 on average.
  @Test func xRaysOf12BitsAreScaledByTheirDepth() throws {
    let samples = (0..<4096).map { UInt16($0) }
    let levels = try grays(png(samples), .bits(12))
    #expect(levels == samples.map { UInt8((Double($0) * 255 / 4095).rounded()) })
  }

  @Test func imagesOf8BitsDoNotDependOnIt() throws {
    for name in [
      "jpeg gray", "png gray 8", "tiff gray", "bmp rgb", "gif gray", "pnm gray", "avif 4:4:4", "webp lossy",
    ] {
      let file = try DecodeCase.named(name).file
      let usual = try ImageDecoder().decode(file)
      for depth in [Depth.bits(8), .bits(12), .window(low: 10, high: 20)] {
        #expect(try ImageDecoder(depth: depth).decode(file) == usual, "\(name), \(depth)")
      }
    }
  }

  @Test func anExaminationGivesTheSamplesInUse() throws {
    let file = png([7, 4000, 255])
    func examine(_ depth: Depth) -> Examination {
      file.withUnsafeBytes { ImageDecoder(depth: depth).examine($0, using: DecodeScratch()) }
    }
    #expect(examine(.automatic).samples == SampleRange(lowest: 7, highest: 4000, black: 0, white: 65535))
    #expect(examine(.bits(8)).samples == SampleRange(lowest: 7, highest: 4000, black: 0, white: 255))
    #expect(examine(.bits(8)).samples?.isClipped == true)
    #expect(examine(.bits(12)).samples?.isClipped == false)
    let flat = try DecodeCase.named("png gray 8").file
    #expect(flat.withUnsafeBytes { ImageDecoder().examine($0, using: DecodeScratch()) }.samples == nil)
  }

  @Test(arguments: [
    "tiff gray 16 little", "tiff gray 16 big", "tiff rgb 16 planes", "tiff gray 16 deflate",
    "pnm gray of 65535",
    "pnm rgb of 65535", "pnm gray text of 65535", "png rgb 16 interlaced",
  ])
  func everyFormatOf16BitsGivesItsSamples(_ name: String) throws {
    let file = try DecodeCase.named(name).file
    let found = file.withUnsafeBytes { ImageDecoder().examine($0, using: DecodeScratch()) }
    let samples = try #require(found.samples)
    #expect((0..<65535).contains(samples.lowest) && (1...65535).contains(samples.highest))
    #expect(samples.lowest < samples.highest && samples.white == 65535)
  }

  @Test func aDepthIsProposedWhereHalfTheRangeIsUnused() {
    func proposed(_ highest: Double, white: Double = 65535, lowest: Double = 0) -> String? {
      SampleRange(lowest: lowest, highest: highest, black: 0, white: white).fittingDepth?.description
    }
    #expect(proposed(65535) == nil)
    #expect(proposed(32768) == nil)
    #expect(proposed(32767) == "window:0,32767")
    #expect(proposed(4095) == "12")
    #expect(proposed(4096) == "14")
    #expect(proposed(1023) == "10")
    #expect(proposed(255) == "window:0,255")
    #expect(proposed(0) == nil)
    #expect(proposed(4095, white: 4095) == nil)
    #expect(proposed(4095, lowest: -5) == nil)
  }
}
