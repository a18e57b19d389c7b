/// A number for each pixel, from a gray or palette PNG: classes, or numbers of objects.
public struct LabelImage: Sendable, Equatable {
  public let height: Int
  public let width: Int
  /// Row by row.
  public private(set) var labels: [UInt16]

  /// Traps unless there are `height * width` labels.
  public init(height: Int, width: Int, labels: [UInt16]) {
    precondition(
      height > 0 && width > 0 && labels.count == height * width,
      "\(labels.count) labels for \(height) × \(width) pixels")
    (self.height, self.width, self.labels) = (height, width, labels)
  }

  /// Reads a PNG file.
  ///
  /// - Throws: ``ImageError/inFile(path:_:)``; a picture without numbers is ``ImageError/noLabels(_:detail:)``.
  public init(contentsOf path: String, limits: DecodeLimits = DecodeLimits()) throws(ImageError) {
    let stored = try StoredPixels(contentsOf: path, limits: limits)
    (height, width) = (stored.height, stored.width)
    labels = stored.numbers
  }
}

extension StoredPixels {
  /// Of a picture without colours.
  package var numbers: [UInt16] {
    precondition(sampleBytes < 3, "colours are no numbers")
    if sampleBytes == 1 { return bytes.map { UInt16($0) } }
    let pixels = height * width
    return [UInt16](unsafeUninitializedCapacity: pixels) { numbers, count in
      bytes.withUnsafeBytes { bytes in
        for pixel in 0..<pixels {
          numbers[pixel] = UInt16(
            bigEndian: bytes.loadUnaligned(fromByteOffset: 2 * pixel, as: UInt16.self))
        }
      }
      count = pixels
    }
  }
}
