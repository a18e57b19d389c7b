import Files
import Foundation
import Images
import Torch

/// An image as it is stored in a shard.
struct PackedImage: Sendable {
  var bytes: [UInt8]
  /// The first of ``ImageFormat/extensions``.
  var ending: String
}

/// Images that can be packed, of any data set.
struct PackSource: Sendable {
  let dataset: Dataset
  /// All images in a random order that is always the same. Shards are read from end to end in theirs.
  let order: [Int]
  private let decoder: ImageDecoder
  private let stream: ShardStream?

  /// - Throws: ``DatasetError``.
  init(_ data: String, split: DatasetSplit, imageKey: String?, decoder: ImageDecoder) throws {
    self.decoder = decoder
    dataset = try Dataset.open(
      data, OpeningOptions(split: split, decoder: decoder, imageKey: imageKey), allowsOneImage: true)
    if let shards = dataset.shards {
      let epoch = ShardOrder(counts: shards.counts, seed: 0).epoch(0)
      order = epoch.samples
      stream = ShardStream(shards, epoch, retries: ShardRetries())
    } else {
      var generator = CounterGenerator(seed: 0, .shardOrder)
      order = generator.permutation(dataset.count)
      stream = nil
    }
  }

  /// The file of image `number`; nil where images are kept as pixels.
  private func file(_ number: Int) throws -> [UInt8]? {
    let scratch = DecodeScratch()
    return try withExtendedLifetime(scratch) {
      try dataset.samples.file(number, using: scratch).map { [UInt8]($0) }
    }
  }

  /// The image at a place of ``order``. Each place is read once, in ascending order.
  func packed(at place: Int, shortSide: Int?, quality: Int) throws -> PackedImage {
    try packed(order[place], stream?.bytes(at: place) ?? file(order[place]), shortSide, quality)
  }

  /// Bytes of image `number` in a shard.
  func size(_ number: Int, shortSide: Int?, quality: Int) throws -> Int {
    try packed(number, file(number), shortSide, quality).bytes.count
  }

  /// The image's own bytes where it has a file and need not be resized; every one is decoded once, so that what
  /// lies in a shard can be read.
  private func packed(
    _ number: Int, _ original: [UInt8]?, _ shortSide: Int?, _ quality: Int
  ) throws -> PackedImage {
    let image = try original.map { try decoder.decode($0) } ?? dataset.image(number)
    if let shortSide, min(image.width, image.height) > shortSide {
      let resized = try image.resized(shortSide: shortSide)
      return original == nil
        ? PackedImage(bytes: [UInt8](try resized.pngData()), ending: "png")
        : PackedImage(bytes: [UInt8](try resized.jpegData(quality: quality)), ending: "jpg")
    }
    guard let original else { return PackedImage(bytes: [UInt8](try image.pngData()), ending: "png") }
    return PackedImage(bytes: original, ending: try decoder.header(of: original).format.extensions[0])
  }
}

extension RGBImage {
  /// The whole picture by Pillow's antialiased bilinear filter, its short side `shortSide` pixels, the long side in
  /// proportion and rounded down as torchvision's `Resize` does.
  func resized(shortSide: Int) throws -> RGBImage {
    let short = min(width, height)
    let newWidth = width == short ? shortSide : shortSide * width / short
    let newHeight = height == short ? shortSide : shortSide * height / short
    var pixels = pixels
    let resized = try pixels.withUnsafeMutableBytes { bytes in
      try withTorchErrors {
        Tensor.withBorrowed(bytes, dtype: .uint8, shape: [1, height, width, 3]) { tensor in
          resizedBilinear(tensor.permuted([0, 3, 1, 2]), height: newHeight, width: newWidth)
            .permuted([0, 2, 3, 1]).withUnsafeBytes { [UInt8]($0) }
        }
      }
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: resized)
  }
}
