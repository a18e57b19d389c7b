/// Limits on image files. Each limit is checked before the memory or time is spent, and depends only on the
/// file, not on the requested region.
public struct DecodeLimits: Sendable, Equatable, Codable {
  /// Width times height; products above 2^31 - 1 are compared as 2^31 - 1.
  public var maxPixels: Int
  /// The size of a file; the whole file is read.
  public var maxFileBytes: Int
  /// Passes of a progressive JPEG over the whole picture; encoders write about ten.
  public var maxProgressiveScans: Int
  /// The codec's work, in pixels: a JPEG's pixels times its scans; a PNG's uncompressed bytes times 2, or
  /// times 4 if it is interlaced.
  ///
  /// One unit took 3 to 5 ns in measurements (Zen 3, libjpeg-turbo 2.1 and libpng 1.6: repeated refinement
  /// scans, Paeth rows of 8 and 16 bits), so the default bounds such a file to about 2 s; a JPEG's codes take
  /// about 20 ns per byte of the file in addition. It allows a progressive JPEG of 24 megapixels with 16
  /// scans, and a PNG of 66 megapixels in 8-bit RGB or of 25 in 16-bit RGBA.
  public var maxWork: Int
  /// The memory for decoding, in addition to the file: 3 bytes per pixel for the picture (6 if it is turned
  /// upright), and
  /// - for a progressive JPEG its coefficients, 3 bytes per pixel with 4:2:0 sampling, 6 with 4:4:4, 8 for
  ///   CMYK;
  /// - for an interlaced PNG 3 bytes per pixel;
  /// - for WebP 7 bytes per pixel.
  ///
  /// The default is enough for 100 megapixels of a baseline JPEG or a plain PNG, 55 of a progressive JPEG (37
  /// with 4:4:4) or an interlaced PNG, and 33 of WebP. Row buffers, and the code tables of a lossless WebP,
  /// are not included.
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
