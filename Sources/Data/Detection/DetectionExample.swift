import Images
import Torch

/// An image as a detector takes it, with its objects.
public struct DetectionExample: Sendable, Equatable {
  /// height × width × 3 bytes, RGB, resized and perhaps mirrored.
  public let pixels: [UInt8]
  public let height: Int
  public let width: Int
  /// In the resized picture's pixels. There may be none left.
  public let objects: [AnnotatedObject]
  /// In the data set.
  public let index: Int
  /// Of the image before it was resized.
  public let originalHeight: Int
  public let originalWidth: Int
  public let isFlipped: Bool
}

/// Makes examples from images: decodes, resizes by Pillow's antialiased bilinear filter, mirrors, and takes the objects
/// along.
package struct DetectionMapper: Sendable {
  let dataset: DetectionDataset
  let resize: ResizeShortestEdge

  package init(_ dataset: DetectionDataset, _ resize: ResizeShortestEdge) {
    (self.dataset, self.resize) = (dataset, resize)
  }

  /// - Throws: ``ImageError`` for an image that cannot be read or has another size than its annotations say.
  package func example(
    _ index: Int, shortSide: Int, isFlipped: Bool, using scratch: DecodeScratch
  ) throws -> DetectionExample {
    let image = dataset.images[index]
    let source = (height: image.height, width: image.width)
    let target = resize.size(height: image.height, width: image.width, shortSide: shortSide)
    let pixels = try naming(image.path) {
      try read(image, using: scratch) { decoded in
        var pixels = [UInt8](repeating: 0, count: target.height * target.width * 3)
        try pixels.withUnsafeMutableBytes {
          try decoded.write(
            CropBox(box: .whole(image.width, image.height), isFlipped: isFlipped),
            ViewShape(height: target.height, width: target.width), to: $0)
        }
        return pixels
      }
    }
    let transform = ObjectTransform(
      from: source, to: target, isFlipped: isFlipped, keypoints: dataset.keypoints)
    return DetectionExample(
      pixels: pixels, height: target.height, width: target.width,
      objects: dataset.objects(index).compactMap { transform($0) }, index: index,
      originalHeight: image.height, originalWidth: image.width, isFlipped: isFlipped)
  }

  /// Decodes an image and checks its size.
  ///
  /// - Throws: As ``example(_:shortSide:isFlipped:using:)``.
  package func verify(_ index: Int, using scratch: DecodeScratch) throws {
    let image = dataset.images[index]
    try naming(image.path) { try read(image, using: scratch) { _ in } }
  }

  /// The image as its annotations see it: upright by its EXIF tag, or as it is stored where only that has their size.
  private func read<Value>(
    _ image: DetectionDataset.Image, using scratch: DecodeScratch,
    _ body: (borrowing DecodedPixels) throws -> Value
  ) throws -> Value {
    var decoder = dataset.decoder
    let file = try scratch.read(image.path, limit: decoder.limits.maxFileBytes)
    if decoder.appliesOrientation {
      let whole = try decoder.plan(for: file).whole
      let isTurned = whole.width == image.height && whole.height == image.width
      if isTurned, whole.width != whole.height { decoder.appliesOrientation = false }
    }
    return try decoder.withPixels(of: file, using: scratch) { width, height in
      guard width == image.width, height == image.height else {
        throw ImageError.unreadable(
          reason:
            "it has \(width) × \(height) pixels, and its annotations are for \(image.width) × \(image.height)"
        )
      }
      return .whole(width, height)
    } _: {
      try body($0)
    }
  }

  private func naming<Value>(_ path: String, _ work: () throws -> Value) throws -> Value {
    do { return try work() } catch let error as ImageError {
      throw ImageError.inFile(path: path, error.reason)
    }
  }
}
