import Images
import Synchronization

/// Keeps every image that was decoded, as pixels, until a limit is reached; the rest is decoded each time.
///
/// For small sets that are read in every epoch.
private final class MemoryCache: PixelSource {
  private struct State {
    var images: [RGBImage?]
    var bytes = 0
  }

  private let source: Dataset
  private let limit: Int
  private let state: Mutex<State>

  /// - Parameter limit: bytes of pixels to keep.
  init(_ source: Dataset, limit: Int) {
    self.source = source
    self.limit = limit
    state = Mutex(State(images: Array(repeating: nil, count: source.count)))
  }

  var count: Int { source.count }
  func annotation(_ index: Int) -> Annotation { source.annotation(index) }
  func name(_ index: Int) -> String { source.name(index) }

  func image(_ index: Int) throws -> RGBImage {
    if let kept = state.withLock({ $0.images[index] }) { return kept }
    let image = try source.image(index)
    state.withLock { state in
      guard state.images[index] == nil, state.bytes + image.pixels.count <= limit else { return }
      state.images[index] = image
      state.bytes += image.pixels.count
    }
    return image
  }
}

extension Dataset {
  /// The same images, decoded once and kept in memory, at most `limit` bytes of them.
  ///
  /// Sets that are in memory anyway (IDX, CIFAR binaries) stay as they are, and so do shards whose images can only
  /// be read in sequence.
  package func cached(limit: Int) -> Dataset {
    if samples is any PixelSource || shards?.isRandomAccess == false { return self }
    return Dataset(
      MemoryCache(self, limit: limit), format: format, split: split, classNames: classNames, decoder: decoder,
      shards: shards, leftOut: leftOut, labelProblem: labelProblem)
  }
}
