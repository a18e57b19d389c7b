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
      var decoder = self
      let file = try scratch.read(path, limit: limits.maxFileBytes)
      if appliesOrientation {
        let whole = try plan(for: file).whole
        let isTurned = whole.width == height && whole.height == width
        if isTurned, whole.width != whole.height { decoder.appliesOrientation = false }
      }
      return try decoder.withPixels(of: file, using: scratch) { storedWidth, storedHeight in
        guard storedWidth == width, storedHeight == height else {
          throw ImageError.unreadable(
            reason: "it has \(storedWidth) × \(storedHeight) pixels, and \(source) \(width) × \(height)")
        }
        return .whole(width, height)
      } _: {
        try body($0)
      }
    } catch let error as ImageError {
      throw ImageError.inFile(path: path, error.reason)
    }
  }
}
