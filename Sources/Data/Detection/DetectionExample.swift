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
    let pixels = try read(image, using: scratch) { decoded in
      var pixels = [UInt8](repeating: 0, count: target.height * target.width * 3)
      try pixels.withUnsafeMutableBytes {
        try decoded.write(
          CropBox(box: .whole(image.width, image.height), isFlipped: isFlipped),
          ViewShape(height: target.height, width: target.width), to: $0)
      }
      return pixels
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
    try read(dataset.images[index], using: scratch) { _ in }
  }

  /// Compares an image's size, by the header of its file, without decoding it.
  ///
  /// - Throws: As ``example(_:shortSide:isFlipped:using:)``.
  func verifySize(_ index: Int, using scratch: DecodeScratch) throws {
    let image = dataset.images[index]
    try dataset.decoder.checkSize(
      of: image.path, height: image.height, width: image.width, from: Self.source, using: scratch)
  }

  private static let source = "its annotations are for"

  private func read<Value>(
    _ image: DetectionDataset.Image, using scratch: DecodeScratch,
    _ body: (borrowing DecodedPixels) throws -> Value
  ) throws -> Value {
    try dataset.decoder.withPixels(
      of: image.path, height: image.height, width: image.width, from: Self.source, using: scratch, body)
  }
}
