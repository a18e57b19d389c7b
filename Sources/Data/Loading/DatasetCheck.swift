import Files
import Images

/// Decodes every image of a data set with the limits of training, and gives a verdict on each.
package struct DatasetCheck {
  /// One image.
  package struct Entry: Sendable, Equatable {
    package var name: String
    package var verdict: DecodeVerdict
    /// Of the picture; 0 if no header could be read.
    package var width: Int
    package var height: Int
    /// Mean red, green and blue, 0...255; nil if it was refused.
    package var mean: SIMD3<Double>?
    /// Whether every pixel has the same colour.
    package var isOneColor = false
    /// Of an image whose samples have more than 8 bits.
    package var samples: SampleRange?
    /// Why the verdict is not ok.
    package var reason: String?
  }

  package let dataset: Dataset
  private let workers: Int

  /// - Parameters:
  ///   - dataset: Its images are decoded.
  ///   - workers: threads that decode, at least 1.
  package init(_ dataset: Dataset, workers: Int) {
    precondition(workers >= 1, "\(workers) workers")
    self.dataset = dataset
    self.workers = workers
  }

  /// Hands every image's entry to `progress`, in the data set's order.
  ///
  /// - Throws: errors that are no image's, such as a damaged shard, and those of `progress`.
  package func run(_ progress: (Entry) throws -> Void) throws {
    let together = workers * 16
    let feed = SampleReader(inOrder: dataset)
    defer { feed.cancel() }
    for start in stride(from: 0, to: dataset.count, by: together) {
      let entries = try inParallel(min(together, dataset.count - start), threads: workers) {
        [dataset] place in
        try dataset.entry(start + place, feed, using: DecodeScratch())
      }
      try entries.forEach(progress)
    }
  }
}

extension Dataset {
  fileprivate func entry(
    _ index: Int, _ feed: SampleReader, using scratch: DecodeScratch
  ) throws -> DatasetCheck.Entry {
    let name = name(index)
    do {
      guard let file = try feed.file(index, epoch: 0, position: index, using: scratch) else {
        let image = try samples.image(index)
        return .init(
          name: name, verdict: .ok, width: image.width, height: image.height, mean: image.mean,
          isOneColor: image.isOneColor)
      }
      let found = decoder.examine(file.bytes, using: scratch)
      return .init(
        name: name, verdict: found.verdict, width: found.width, height: found.height, mean: found.mean,
        isOneColor: found.isOneColor, samples: found.samples, reason: found.error.map { "\($0.reason)" })
    } catch  where isFileToBlame(error) {
      let reason = BadFile(sample: index, of: self, error).reason
      return .init(name: name, verdict: .refused, width: 0, height: 0, reason: reason)
    }
  }
}
