import Foundation
import Images

/// Keeps every image that was decoded, as pixels, until a limit is reached; what does not fit is decoded each time.
///
/// For small sets that are read in every epoch.
// `images` and `bytes` are only touched with the lock held.
final class MemoryCache: PixelSource, @unchecked Sendable {
  private let source: Dataset
  private let limit: Int
  private let lock = NSLock()
  private var images: [RGBImage?]
  private var bytes = 0

  /// - Parameter limit: bytes of pixels to keep.
  init(_ source: Dataset, limit: Int) {
    self.source = source
    self.limit = limit
    images = Array(repeating: nil, count: source.count)
  }

  var count: Int { source.count }
  func label(_ index: Int) -> Int? { source.label(index) }
  func name(_ index: Int) -> String { source.name(index) }

  func image(_ index: Int) throws -> RGBImage {
    if let kept = lock.withLock({ images[index] }) { return kept }
    let image = try source.image(index)
    lock.withLock {
      guard images[index] == nil, bytes + image.pixels.count <= limit else { return }
      images[index] = image
      bytes += image.pixels.count
    }
    return image
  }
}

extension Dataset {
  /// The same images, decoded once and kept in memory, at most `limit` bytes of them.
  ///
  /// Sets that are in memory anyway (IDX, CIFAR binaries) stay as they are, and so do shards whose images can only
  /// be read in sequence.
  public func cached(limit: Int) -> Dataset {
    if samples is any PixelSource || shards?.isRandomAccess == false { return self }
    return Dataset(
      MemoryCache(self, limit: limit), format: format, split: split, classNames: classNames, decoder: decoder,
      shards: shards)
  }
}
