import Images
import Torch

/// Images with their objects, resized and ready for a detector.
public struct DetectionBatch: Sendable {
  /// Counted from the run's beginning; in a test from 0.
  public let number: Int
  /// The rank's; in a test those that could be read.
  public let examples: [DetectionExample]
  /// Seconds that ``DetectionLoader/next()`` waited for it.
  public let waited: Double
}

/// Reads, decodes and resizes on threads of its own, a few batches ahead.
///
/// A batch depends on the data set, the sampling, the sizes and its number only: not on the number of threads, nor on
/// where the run began. A checkpoint needs to hold the number of the next batch, and nothing else of the loader. Use it
/// from one thread; releasing it ends its threads.
public final class DetectionLoader {
  private let rows: RowLoader<DetectionExample>

  /// Random batches for training without an end.
  ///
  /// - Parameters:
  ///   - flip: The chance that an image is mirrored.
  ///   - workers: Threads, at least 1.
  ///   - prefetch: Batches that are made ahead.
  ///   - first: The number of the first batch; a resumed run gets what the unbroken one would have got.
  ///   - maxBad: More unreadable images than this share end it; each is replaced by another of its orientation.
  public convenience init(
    _ dataset: DetectionDataset, _ sampling: DetectionSampling, _ resize: ResizeShortestEdge,
    flip: Double = 0.5, workers: Int = 2, prefetch: Int = 2, from first: Int = 0,
    maxBad: Fraction = .fivePercent
  ) {
    precondition((0...1).contains(flip) && first >= 0, "a flip's chance of \(flip), batch \(first)")
    let isWide = dataset.images.map(\.isWide)
    let mapper = DetectionMapper(dataset, resize)
    let training = TrainingRows(
      seed: sampling.seed,
      alike: sampling.groupsByAspect ? isWide : Array(repeating: false, count: isWide.count)
    ) { image, showing, scratch in
      var generator = CounterGenerator(seed: sampling.seed, .geometry, showing.pass, showing.place)
      let (shortSide, isFlipped) = resize.draw(flip: flip, using: &generator)
      return try mapper.example(image, shortSide: shortSide, isFlipped: isFlipped, using: scratch.decode)
    } bad: {
      BadFile($0, of: dataset, $1)
    }
    self.init(
      .training(
        training, isWide, sampling, workers: workers, prefetch: prefetch, from: first, maxBad: maxBad))
  }

  /// Every image of the rank's share once, in order, at the first of the short sides. Unreadable images are left out of
  /// their batch.
  ///
  /// - Parameter rank: Each has images that lie together.
  public convenience init(
    testing dataset: DetectionDataset, _ resize: ResizeShortestEdge, batchSize: Int = 1, rank: Rank = .only,
    workers: Int = 2, prefetch: Int = 4, maxBad: Fraction = .fivePercent
  ) {
    precondition(batchSize >= 1, "batches of \(batchSize) images")
    let mapper = DetectionMapper(dataset, resize)
    self.init(
      .testing(
        dataset.count, rows: batchSize, rank: rank, workers: workers, prefetch: prefetch, maxBad: maxBad
      ) { image, scratch in
        try mapper.example(image, shortSide: resize.shortSides[0], isFlipped: false, using: scratch.decode)
      } bad: {
        BadFile($0, of: dataset, $1)
      })
  }

  private init(_ rows: RowLoader<DetectionExample>) { self.rows = rows }

  /// Images that could not be read so far, in the order of the batches handed out.
  public var badFiles: [BadFile] { rows.badFiles }

  /// The number of the batch that ``next()`` returns: what a checkpoint keeps.
  public var position: Int { rows.position }

  /// Whether ``next()`` would not wait.
  public var isReady: Bool { rows.isReady }

  /// The next batch in order, waiting for it if need be; nil after a test's last.
  ///
  /// - Throws: ``LoaderError``; then no further batch comes.
  public func next() throws -> DetectionBatch? {
    try rows.next().map { DetectionBatch(number: $0.number, examples: $0.examples, waited: $0.waited) }
  }
}

extension BadFile {
  /// An image of a detection set.
  package init(_ image: Int, of dataset: DetectionDataset, _ error: any Error) {
    let reason = (error as? ImageError).map { "\($0.reason)" } ?? "\(error)"
    self.init(sample: image, name: dataset.images[image].path, reason: reason)
  }
}
