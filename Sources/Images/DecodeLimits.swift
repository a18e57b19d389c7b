/// How much an image file may ask for. Each limit is checked before the memory or time is spent, and depends on the
/// file alone, not on the region that is wanted of it.
public struct DecodeLimits: Sendable, Equatable, Codable {
  /// Width times height; above 2^31 - 1 it counts as that.
  public var maxPixels: Int
  /// The size of a file, which is read whole.
  public var maxFileBytes: Int
  /// Passes of a progressive JPEG over the whole picture; encoders write about ten.
  public var maxProgressiveScans: Int
  /// How much a codec may go over: a JPEG's pixels times its scans; a PNG's bytes before compression times 2, or
  /// times 4 if it is interlaced.
  ///
  /// A unit took 3 to 5 ns where it was measured (Zen 3, libjpeg-turbo 2.1 and libpng 1.6: repeated refinement scans,
  /// Paeth rows of 8 and 16 bits), so the default bounds such a file to about 2 s; the codes of a JPEG take some 20 ns
  /// a byte of the file on top. It lets pass a progressive JPEG of 24 megapixels with 16 scans, and a PNG of 66
  /// megapixels in 8-bit RGB or of 25 in 16-bit RGBA.
  public var maxWork: Int
  /// What decoding may take beside the file: three bytes a pixel for the picture (six if it is turned upright), and
  /// - for a progressive JPEG its coefficients, 3 bytes a pixel with 4:2:0 sampling, 6 with 4:4:4, 8 for CMYK;
  /// - for an interlaced PNG 3 bytes a pixel;
  /// - for WebP 7 bytes a pixel.
  ///
  /// The default holds 100 megapixels of a baseline JPEG or a plain PNG, 55 of a progressive JPEG (37 with 4:4:4) or
  /// an interlaced PNG and 33 of WebP. Row buffers, and the code tables of a lossless WebP, come on top.
  public var maxDecodeBytes: Int

  public init(
    maxPixels: Int = 100_000_000, maxFileBytes: Int = 1 << 28, maxProgressiveScans: Int = 100,
    maxWork: Int = 400_000_000, maxDecodeBytes: Int = 320 << 20
  ) {
    precondition(
      maxPixels > 0 && maxFileBytes > 0 && maxProgressiveScans > 0 && maxWork > 0 && maxDecodeBytes > 0,
      "every limit is at least 1, not \(maxPixels), \(maxFileBytes), \(maxProgressiveScans), \(maxWork), "
        + "\(maxDecodeBytes)")
    self.maxPixels = maxPixels
    self.maxFileBytes = maxFileBytes
    self.maxProgressiveScans = maxProgressiveScans
    self.maxWork = maxWork
    self.maxDecodeBytes = maxDecodeBytes
  }
}
