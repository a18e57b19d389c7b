import Foundation

/// Limits on image files. Each limit is checked before the memory or time is spent, and depends only on the
/// file, not on the requested region.
public struct DecodeLimits: Sendable, Equatable, Codable {
  /// Width times height; products above 2^31 - 1 are compared as 2^31 - 1.
  public var maxPixels: Int
  /// The size of a file; the whole file is read.
  public var maxFileBytes: Int
  /// Passes of a progressive JPEG over the whole picture; encoders write about ten.
  public var maxProgressiveScans: Int
  /// The codec's work, in pixels: a JPEG's pixels times its scans; the uncompressed bytes of a PNG or a packed
  /// TIFF times 2, or times 4 for an interlaced PNG.
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
  /// - for an interlaced PNG 3 bytes per pixel, with 16 bits 2 for gray and 6 for colour;
  /// - for a packed TIFF the uncompressed bytes of a strip or tile, three times for JPEG in it;
  /// - for AVIF 6 bytes per pixel, twice as many with more than 8 bits, more with alpha;
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

  /// The limits for a user's number of pixels. Above the default, the limits on the file's bytes, on work and on
  /// memory grow in proportion.
  public static func allowing(pixels: Int) -> DecodeLimits {
    var limits = DecodeLimits()
    let factor = Double(pixels) / Double(limits.maxPixels)
    limits.maxPixels = max(1, pixels)
    guard factor > 1 else { return limits }
    func grown(_ limit: Int) -> Int { Int(exactly: (Double(limit) * factor).rounded()) ?? .max }
    limits.maxFileBytes = grown(limits.maxFileBytes)
    limits.maxWork = grown(limits.maxWork)
    limits.maxDecodeBytes = grown(limits.maxDecodeBytes)
    return limits
  }

  /// The number of pixels that ``allowing(pixels:)`` needs for a limit, in two digits rounded up. `standard` is the
  /// default of the limit.
  static func pixels(for amount: Int, standard: Int) -> Int {
    let exact = Double(amount) / Double(standard) * Double(DecodeLimits().maxPixels)
    let unit = pow(10, (log10(exact) - 1).rounded(.down))
    return Int(exactly: (exact / unit).rounded(.up) * unit) ?? .max
  }
}
