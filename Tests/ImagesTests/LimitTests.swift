import Foundation
import Images
import Testing

@Suite("Limits that follow --max-pixels")
struct LimitTests {
  @Test func aboveTheDefaultAllGrowInProportion() {
    let usual = DecodeLimits()
    #expect(DecodeLimits.allowing(pixels: usual.maxPixels) == usual)
    let fewer = DecodeLimits.allowing(pixels: 1000)
    #expect(fewer == DecodeLimits(maxPixels: 1000))
    let more = DecodeLimits.allowing(pixels: 250_000_000)
    #expect(more.maxPixels == 250_000_000)
    #expect(more.maxDecodeBytes == usual.maxDecodeBytes / 2 * 5)
    #expect(more.maxWork == 1_000_000_000)
    #expect(more.maxFileBytes == usual.maxFileBytes / 2 * 5)
    #expect(more.maxProgressiveScans == usual.maxProgressiveScans)
    #expect(DecodeLimits.allowing(pixels: .max).maxDecodeBytes == .max)
  }

  /// The reported case: the first message led to --max-pixels 200000000, and the next limit could not be raised.
  @Test func aJPEGOf12000By12000PassesWhereItsPixelsAreAllowed() throws {
    let file = jpegHeader(width: 12000, height: 12000)
    #expect(decodeError(file) == .tooManyPixels(width: 12000, height: 12000, limit: 100_000_000))
    let alone = ImageDecoder(limits: DecodeLimits(maxPixels: 200_000_000))
    let error = try #require(decodeError(file, alone))
    #expect(
      "\(error)"
        == "decoding the image takes 432 M bytes, over the limit of 336 M; scale it down, or raise this limit with "
        + "--max-pixels 130000000")
    for pixels in [200_000_000, 144_000_000] {
      let decoder = ImageDecoder(limits: .allowing(pixels: pixels))
      // It has no tables, which are looked for behind all limits.
      #expect(
        decodeError(file, decoder) == .corrupt(.jpeg, detail: "Quantization table 0x00 was not defined"))
    }
  }
}
