import Images

extension ImageDecoder {
  /// A file's image as its annotations see it: upright by its EXIF tag, or as it is stored where only that has their
  /// size.
  ///
  /// - Parameter source: Before the size in an error: "its annotations are for".
  /// - Throws: ``ImageError/inFile(path:_:)`` for an image that cannot be read or has another size, and what `body`
  ///   throws.
  func withPixels<Value>(
    of path: String, height: Int, width: Int, from source: String, using scratch: DecodeScratch,
    _ body: (borrowing DecodedPixels) throws -> Value
  ) throws -> Value {
    do {
      let file = try scratch.read(path, limit: limits.maxFileBytes)
      let decoder = try fitted(to: file, height: height, width: width)
      return try decoder.withPixels(of: file, using: scratch) { storedWidth, storedHeight in
        let stored = PixelRegion.whole(storedWidth, storedHeight)
        try Self.compare(stored, .whole(width, height), from: source)
        return stored
      } _: {
        try body($0)
      }
    } catch let error as ImageError {
      throw ImageError.inFile(path: path, error.reason)
    }
  }

  /// Compares the size in the header of a file with its annotations', without decoding a pixel.
  ///
  /// - Throws: As `withPixels`.
  func checkSize(
    of path: String, height: Int, width: Int, from source: String, using scratch: DecodeScratch
  ) throws {
    do {
      let file = try scratch.read(path, limit: limits.maxFileBytes)
      let whole = try fitted(to: file, height: height, width: width).plan(for: file).whole
      try Self.compare(whole, .whole(width, height), from: source)
    } catch {
      throw ImageError.inFile(path: path, error.reason)
    }
  }

  /// The decoder that takes the image as it is stored, where only that has the annotations' size.
  private func fitted(
    to file: UnsafeRawBufferPointer, height: Int, width: Int
  ) throws(ImageError) -> ImageDecoder {
    guard appliesOrientation else { return self }
    var decoder = self
    let whole = try plan(for: file).whole
    let isTurned = whole.width == height && whole.height == width
    if isTurned, whole.width != whole.height { decoder.appliesOrientation = false }
    return decoder
  }

  private static func compare(
    _ found: PixelRegion, _ wanted: PixelRegion, from source: String
  ) throws(ImageError) {
    guard found != wanted else { return }
    throw .unreadable(
      reason:
        "it has \(found.width) × \(found.height) pixels, and \(source) \(wanted.width) × \(wanted.height)")
  }
}
