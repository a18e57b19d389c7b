import Images
import Torch

/// An image at its own size with a class for each pixel.
public struct SegmentationExample: Sendable, Equatable {
  /// height × width × 3 bytes, RGB.
  public let pixels: [UInt8]
  public let labels: LabelMap
  /// In the data set.
  public let index: Int

  public var height: Int { labels.height }
  public var width: Int { labels.width }
}

extension SegmentationDataset {
  /// An image and its labels, as a test takes them.
  ///
  /// - Throws: ``ImageError``, ``MaskError``; both for a mask of another size than its image.
  public func example(_ index: Int, using scratch: DecodeScratch = DecodeScratch()) throws
    -> SegmentationExample
  {
    try withExample(index, using: scratch) { pixels, labels in
      SegmentationExample(
        pixels: Array(pixels.bytes.prefix(labels.height * labels.width * 3)), labels: labels, index: index)
    }
  }

  /// Runs `body` on an image's pixels, which lie in rows without gaps, and its labels.
  func withExample<Value>(
    _ index: Int, using scratch: DecodeScratch, _ body: (borrowing DecodedPixels, LabelMap) throws -> Value
  ) throws -> Value {
    let labels = try labels(index)
    return try decoder.withPixels(
      of: images[index].path, height: labels.height, width: labels.width, from: "its mask has", using: scratch
    ) { try body($0, labels) }
  }
}

extension BadFile {
  /// An image of a segmentation set, or its mask.
  package init(_ image: Int, of dataset: SegmentationDataset, _ error: any Error) {
    switch error {
    case let error as MaskError: self.init(sample: image, name: error.path, reason: "\(error.fault)")
    case let error as ImageError:
      let path = if case .inFile(let path, _) = error { path } else { dataset.images[image].path }
      self.init(sample: image, name: path, reason: "\(error.reason)")
    default: self.init(sample: image, name: dataset.images[image].path, reason: "\(error)")
    }
  }
}
