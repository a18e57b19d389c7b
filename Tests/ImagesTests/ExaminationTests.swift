import Foundation
import Images
import Testing

@Suite("What a file is worth")
struct ExaminationTests {
  @Test(arguments: DecodeCase.all)
  func aWholeFileIsOkAndItsMeanIsThatOfItsPixels(_ file: DecodeCase) throws {
    let found = examine(file.file, file.decoder)
    #expect(found.verdict == .ok)
    #expect(found.error == nil)
    #expect(found.width == file.width)
    #expect(found.height == file.height)
    let mean = try #require(found.mean)
    for channel in 0..<3 {
      let values = stride(from: channel, to: file.rgb.count, by: 3).map { Double(file.rgb[$0]) }
      // Lossy files may differ from Pillow's build by rounding, as in the decoding test.
      #expect(abs(mean[channel] - values.reduce(0, +) / Double(values.count)) <= (file.exact ? 1e-9 : 1))
    }
  }

  @Test(arguments: ["jpeg 4:2:0", "jpeg progressive", "png rgb 8", "png rgb 8 interlaced"])
  func aCutFileKeepsItsSizeAndTheMeanOfWhatIsThere(_ name: String) throws {
    let file = try DecodeCase.named(name)
    let found = examine(file.file.prefix(file.file.count * 3 / 4))
    #expect(found.verdict == .truncatedOk)
    #expect(found.error == .truncated(name.hasPrefix("jpeg") ? .jpeg : .png))
    #expect(found.width == file.width)
    #expect(found.height == file.height)
    #expect(try #require(found.mean).max() > 0)
  }

  @Test func missingRowsOfAPNGAreBlackAndOfAJPEGGray() throws {
    let png = try DecodeCase.named("png rgb 8").file
    // Signature, header chunk and the next chunk's length and name.
    #expect(examine(png.prefix(8 + 25 + 8)).mean == .zero)
    let jpeg = try DecodeCase.named("jpeg gray").file
    let scan = try #require(jpeg.firstRange(of: [0xFF, 0xDA]))
    // Its length of 8 counts itself.
    let mean = try #require(examine(jpeg.prefix(scan.lowerBound + 2 + 8)).mean)
    // libjpeg makes up zero bits for the first block, so that it need not be flat.
    #expect(abs(mean[0] - 128) < 0.1)
  }

  @Test func aFileOfNoPictureOrBeyondTheLimitsIsRefused() throws {
    let jpeg = try DecodeCase.named("jpeg 4:2:0")
    let large = examine(jpeg.file, ImageDecoder(limits: DecodeLimits(maxPixels: 10)))
    #expect(large.verdict == .refused)
    #expect(large.error == .tooManyPixels(width: jpeg.width, height: jpeg.height, limit: 10))
    let header = examine(jpeg.file.prefix(20))
    #expect(header.verdict == .refused)
    #expect(header.mean == nil)
    #expect(header.error == .truncated(.jpeg))
    let webp = try DecodeCase.named("webp lossless").file
    #expect(examine(webp.prefix(webp.count / 2)).verdict == .refused)
    let other = examine(Data("%PDF-1.4".utf8))
    #expect(other.verdict == .refused)
    #expect(other.format == nil)
    #expect(examine(Data()).error == .empty)
  }

  /// A training loader may count on this: what is not ok does not decode, and the other way round.
  @Test(arguments: [
    "jpeg 4:2:0", "jpeg progressive", "png rgb 8", "png palette 4 interlaced", "webp lossy",
    "tiff rgb tiff_lzw",
    "tiff rgb planes", "bmp palette 4", "bmp runs 4", "gif gray interlaced", "pnm gray text of 6",
    "avif alpha",
  ])
  func okMeansThatItDecodes(_ name: String) throws {
    let file = try DecodeCase.named(name).file
    for length in stride(from: 0, through: file.count, by: 3) {
      let cut = file.prefix(length)
      let decodes = (try? ImageDecoder().decode(cut)) != nil
      #expect((examine(cut).verdict == .ok) == decodes, "cut to \(length) of \(file.count) bytes")
    }
  }

  @Test func verdictsHaveTheirPublicNames() {
    #expect(DecodeVerdict.allCases.map(\.rawValue) == ["ok", "truncated-ok", "refused"])
  }
}

private func examine(_ file: Data, _ decoder: ImageDecoder = ImageDecoder()) -> Examination {
  file.withUnsafeBytes { decoder.examine($0, using: DecodeScratch()) }
}
