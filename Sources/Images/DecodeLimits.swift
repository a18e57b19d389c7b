/// How much an image file may ask for. Each limit is checked before the memory or time is spent.
///
/// What else a decoder allocates is bounded by these and by the file's own size.
public struct DecodeLimits: Sendable, Equatable, Codable {
  /// Width times height; above 2^31 - 1 it counts as that. A decoded image takes three bytes a pixel, decoding up
  /// to eight more.
  public var maxPixels: Int
  /// The size of a file, which is read whole.
  public var maxFileBytes: Int
  /// Passes of a progressive JPEG over the whole picture; encoders write about ten.
  public var maxProgressiveScans: Int

  public init(maxPixels: Int = 100_000_000, maxFileBytes: Int = 1 << 28, maxProgressiveScans: Int = 100) {
    precondition(
      maxPixels > 0 && maxFileBytes > 0 && maxProgressiveScans > 0,
      "every limit is at least 1, not \(maxPixels), \(maxFileBytes), \(maxProgressiveScans)")
    self.maxPixels = maxPixels
    self.maxFileBytes = maxFileBytes
    self.maxProgressiveScans = maxProgressiveScans
  }
}
