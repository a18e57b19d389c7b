import Foundation
import Images
import TestSupport
import Testing

@Suite("Decoding gives Pillow's pixels")
struct DecodingTests {
  @Test(arguments: DecodeCase.all)
  func everyKindOfFileDecodesAsInPillow(_ expected: DecodeCase) throws {
    let image = try expected.decoder.decode(expected.file)
    #expect(image.width == expected.width)
    #expect(image.height == expected.height)
    try #require(image.pixels.count == expected.rgb.count)
    if expected.exact {
      #expect(image.pixels == [UInt8](expected.rgb))
    } else {
      // Lossy: builds of libjpeg and libwebp round differently. A wrong conversion is off by tens.
      let differences = zip(image.pixels, expected.rgb).map { abs(Int($0) - Int($1)) }
      #expect(Double(differences.reduce(0, +)) / Double(differences.count) <= 1)
      #expect(differences.max() ?? 0 <= 16)
    }
  }

  @Test func fixturesCoverEveryFormat() {
    for format in ImageFormat.allCases {
      #expect(DecodeCase.all.contains { $0.name.hasPrefix(format.rawValue.lowercased()) })
    }
    #expect(DecodeCase.all.count >= 220)
  }

  // A TIFF is turned by its orientation, which its header's sides do not show.
  @Test(arguments: DecodeCase.all.filter { !$0.turned && !$0.name.contains("orientation") })
  func theHeaderGivesFormatAndSizeWithoutDecoding(_ expected: DecodeCase) throws {
    let header = try ImageDecoder().header(of: expected.file)
    #expect(header.width == expected.width)
    #expect(header.height == expected.height)
    #expect(expected.name.hasPrefix(header.format.rawValue.lowercased()))
  }

  @Test func orientationIsIgnoredUnlessAskedFor() throws {
    let turned = try DecodeCase.named("png orientation 6")
    let stored = try ImageDecoder().decode(turned.file)
    #expect(stored.width == turned.height)
    #expect(stored.height == turned.width)
  }

  @Test func bytesOfAnyOwnerGiveTheSameImage() throws {
    let file = try DecodeCase.named("jpeg 4:2:0").file
    let decoder = ImageDecoder()
    let image = try decoder.decode(file)
    #expect(try decoder.decode([UInt8](file)) == image)
    #expect(try file.withUnsafeBytes { try decoder.decode($0) } == image)
    #expect(try decoder.decode(Data([1, 2, 3] + file).dropFirst(3)) == image)
    #expect(try withTemporaryFile(file) { try decoder.decode(contentsOf: $0) } == image)
  }

  @Test func oneDecoderServesManyThreads() async throws {
    let cases = DecodeCase.all.filter { !$0.turned && $0.depth == nil }
    let decoder = ImageDecoder()
    let alone = try cases.map { try decoder.decode($0.file) }
    let together = try await withThrowingTaskGroup(of: (Int, RGBImage).self) { group in
      for (index, file) in cases.enumerated() {
        group.addTask { (index, try decoder.decode(file.file)) }
      }
      return try await group.reduce(into: [Int: RGBImage]()) { $0[$1.0] = $1.1 }
    }
    #expect(together.count == alone.count)
    for (index, image) in alone.enumerated() { #expect(together[index] == image) }
  }
}

@Suite("RGBImage")
struct RGBImageTests {
  let image = RGBImage(width: 2, height: 3, pixels: Array(1...18))

  @Test func pixelsLieRowByRow() {
    #expect(image[0, 0] == (1, 2, 3))
    #expect(image[1, 0] == (4, 5, 6))
    #expect(image[1, 2] == (16, 17, 18))
    #expect(image.withUnsafeBytes { $0[6] } == 7)
  }

  @Test(arguments: [(2, 3), (1, 1), (300, 200), (1, 700)])
  func writtenAsPNGAndReadAgainItIsTheSame(_ size: (width: Int, height: Int)) throws {
    let pixels = (0..<(size.width * size.height * 3)).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
    let image = RGBImage(width: size.width, height: size.height, pixels: pixels)
    let png = try image.pngData()
    #expect(try ImageDecoder().header(of: png).format == .png)
    #expect(try ImageDecoder().decode(png) == image)
  }
}
