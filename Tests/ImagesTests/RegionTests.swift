import Foundation
import Images
import TestSupport
import Testing

@Suite("A decoded region is a part of the picture")
struct RegionTests {
  @Test(arguments: RegionCase.all)
  func everyRegionOfAJPEGIsThatOfTheWholeBitForBit(_ file: RegionCase) throws {
    try expectPartsOfWhole(file.bytes, ImageDecoder(), random: 60)
  }

  @Test func fixturesCoverSamplingsAndProcesses() {
    #expect(RegionCase.all.count == 36)
    for sampling in ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "gray", "cmyk"] {
      for process in ["baseline", "progressive", "baseline restart", "progressive restart"] {
        #expect(RegionCase.all.contains { $0.name == "\(sampling) \(process)" })
      }
    }
  }

  @Test(arguments: DecodeCase.all)
  func everyFormatAndOrientationGivesRegions(_ file: DecodeCase) throws {
    try expectPartsOfWhole(file.file, file.decoder, random: 6)
  }

  /// Cut and damaged files: a region decodes exactly when the whole does, and fails with the same error.
  @Test(arguments: RegionCase.all.filter { $0.name.hasPrefix("4:2:0 odd") || $0.name.hasPrefix("gray") })
  func whetherAFileIsGoodDoesNotDependOnTheRegion(_ original: RegionCase) throws {
    var random = SystemIndependentGenerator(state: 7)
    let scratch = DecodeScratch()
    let decoder = ImageDecoder(limits: DecodeLimits(maxPixels: 100_000))
    for round in 0..<300 {
      var file = original.bytes
      if round % 2 == 0 {
        file = file.prefix(Int.random(in: 3..<file.count, using: &random))
        if round % 4 == 0 { file += [0xFF, 0xD9] }
      } else {
        let at = Int.random(in: file.count / 3..<file.count, using: &random)
        file[at] = UInt8.random(in: 0...255, using: &random)
      }
      let whole = Result { () throws(ImageError) in try decoder.decode(file) }
      let part = Result { try pixels(of: file, decoder, scratch) { random.region($0, $1) } }
      switch (whole, part) {
      case (.success(let image), .success(let (region, bytes))): #expect(bytes == image.part(region))
      case (.failure(let error), .failure(let other)): #expect(other as? ImageError == error)
      default: Issue.record("round \(round): whole \(whole), part \(part)")
      }
    }
  }

  @Test func limitsAreCheckedBeforeTheRegionIsAsked() throws {
    let file = try DecodeCase.named("jpeg 4:2:0")
    let decoder = ImageDecoder(limits: DecodeLimits(maxPixels: 10))
    #expect(throws: ImageError.tooManyPixels(width: file.width, height: file.height, limit: 10)) {
      try pixels(of: file.file, decoder, DecodeScratch()) { width, height in
        Issue.record("asked for a region of \(width) x \(height)")
        return PixelRegion(left: 0, top: 0, width: 1, height: 1)
      }
    }
  }

  @Test func theClosuresErrorsComeThrough() throws {
    struct Stop: Error, Equatable {}
    let file = try DecodeCase.named("jpeg 4:2:0").file
    #expect(throws: Stop()) {
      try pixels(of: file, ImageDecoder(), DecodeScratch()) { _, _ in throw Stop() }
    }
  }

  @Test func aUnionHoldsBothRegions() {
    let a = PixelRegion(left: 2, top: 9, width: 5, height: 1)
    let b = PixelRegion(left: 4, top: 3, width: 1, height: 4)
    #expect(a.union(b) == PixelRegion(left: 2, top: 3, width: 5, height: 7))
    #expect(b.union(a) == a.union(b))
    #expect(a.union(a) == a)
  }

  private func expectPartsOfWhole(_ file: Data, _ decoder: ImageDecoder, random count: Int) throws {
    let image = try decoder.decode(file)
    let (width, height) = (image.width, image.height)
    var random = SystemIndependentGenerator(state: 3)
    let corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    let regions =
      [
        PixelRegion(left: 0, top: 0, width: width, height: height),
        PixelRegion(left: 0, top: height / 2, width: width, height: 1),
        PixelRegion(left: width / 2, top: 0, width: 1, height: height),
      ] + corners.map { PixelRegion(left: $0, top: $1, width: 1, height: 1) }
      + (0..<count).map { _ in random.region(width, height) }
    let scratch = DecodeScratch()
    for wanted in regions {
      let (region, bytes) = try pixels(of: file, decoder, scratch) {
        #expect($0 == width)
        #expect($1 == height)
        return wanted
      }
      #expect(region == wanted)
      #expect(bytes == image.part(wanted), "\(wanted) of \(width) x \(height)")
    }
  }
}

@Suite("Scratch memory")
struct DecodeScratchTests {
  @Test func thePixelsOfTheNextImageComeToTheSamePlace() throws {
    let scratch = DecodeScratch()
    let places = try ["4:2:0 baseline", "gray baseline", "4:2:0 progressive"].map { name in
      try #require(RegionCase.all.first { $0.name == name }).bytes.withUnsafeBytes { bytes in
        try ImageDecoder().withPixels(of: bytes, using: scratch, region: whole) {
          UInt(bitPattern: $0.bytes.baseAddress)
        }
      }
    }
    #expect(Set(places).count == 1)
  }

  @Test func aFileIsReadWholeAndTheNextOneAfterIt() throws {
    let scratch = DecodeScratch()
    for content in [Data([1, 2, 3]), Data(), Data(repeating: 7, count: 100_000)] {
      try withTemporaryFile(content) { path in
        let bytes = try scratch.read(path, limit: 100_000)
        #expect(bytes.elementsEqual(content))
      }
    }
  }

  @Test func whatCannotBeReadIsAnErrorWithoutThePath() throws {
    let scratch = DecodeScratch()
    #expect(throws: ImageError.unreadable(reason: "No such file or directory")) {
      try scratch.read("/nonexistent/picture.jpg", limit: 1)
    }
    try withTemporaryFile(Data([1, 2])) { path in
      #expect(throws: ImageError.fileTooLarge(bytes: 2, limit: 1)) { try scratch.read(path, limit: 1) }
    }
  }
}

private func whole(_ width: Int, _ height: Int) -> PixelRegion {
  PixelRegion(left: 0, top: 0, width: width, height: height)
}

/// A region as it was given, and its rows without gaps.
private func pixels(
  of file: Data, _ decoder: ImageDecoder, _ scratch: DecodeScratch,
  region: (Int, Int) throws -> PixelRegion
) throws -> (PixelRegion, [UInt8]) {
  try file.withUnsafeBytes { bytes in
    try decoder.withPixels(of: bytes, using: scratch, region: region) { pixels in
      let rows = (0..<pixels.region.height).flatMap { row in
        pixels.bytes[(row * pixels.rowBytes)...].prefix(pixels.region.width * 3)
      }
      return (pixels.region, rows)
    }
  }
}

extension RGBImage {
  fileprivate func part(_ region: PixelRegion) -> [UInt8] {
    (region.top..<region.top + region.height).flatMap { y in
      pixels[((y * width + region.left) * 3)...].prefix(region.width * 3)
    }
  }
}

extension SystemIndependentGenerator {
  fileprivate mutating func region(_ width: Int, _ height: Int) -> PixelRegion {
    let size = (Int.random(in: 1...width, using: &self), Int.random(in: 1...height, using: &self))
    return PixelRegion(
      left: Int.random(in: 0...(width - size.0), using: &self),
      top: Int.random(in: 0...(height - size.1), using: &self), width: size.0, height: size.1)
  }
}
