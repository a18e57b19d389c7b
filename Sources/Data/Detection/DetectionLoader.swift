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
  /// What a thread makes of one row.
  private struct Row: Sendable {
    var example: DetectionExample?
    var bad: BadFile?
  }

  private let queue: LoadAhead<Row>
  private let rows: Int
  private let end: Int?
  private var nextBatch: Int
  private var failure: (any Error)?
  private var record: BadFileRecord

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
    let rows = sampling.batchSize / sampling.rank.count
    let isWide = dataset.images.map(\.isWide)
    let batches = DetectionBatches(isWide: isWide, sampling, first: first, window: prefetch + 2)
    let training = TrainingRows(
      mapper: DetectionMapper(dataset, resize), flip: flip, seed: sampling.seed,
      alike: sampling.groupsByAspect ? isWide : Array(repeating: false, count: isWide.count))
    self.init(
      dataset, rows: rows, first: first, end: nil, workers: workers, prefetch: prefetch,
      ranks: sampling.rank.count, maxBad: maxBad
    ) { number, scratch in
      let (example, bad) = try training.row(batches.rows(number / rows)[number % rows], scratch)
      return Row(example: example, bad: bad)
    }
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
    let share = dataset.count * rank.number / rank.count..<dataset.count * (rank.number + 1) / rank.count
    let mapper = DetectionMapper(dataset, resize)
    self.init(
      dataset, rows: batchSize, first: 0, end: share.count, workers: workers, prefetch: prefetch,
      ranks: rank.count, maxBad: maxBad
    ) { number, scratch in
      let index = share.lowerBound + number
      do {
        let example = try mapper.example(
          index, shortSide: resize.shortSides[0], isFlipped: false, using: scratch.decode)
        return Row(example: example)
      } catch  where isFileToBlame(error) {
        return Row(bad: BadFile(index, of: dataset, error))
      }
    }
  }

  private init(
    _ dataset: DetectionDataset, rows: Int, first: Int, end: Int?, workers: Int, prefetch: Int, ranks: Int,
    maxBad: Fraction, _ make: @escaping @Sendable (Int, ViewScratch) throws -> Row
  ) {
    (self.rows, self.end, nextBatch) = (rows, end, first)
    record = BadFileRecord(count: dataset.count, ranks: ranks, allowed: maxBad)
    queue = LoadAhead(from: first * rows, to: end, ahead: prefetch * rows, workers: workers, make)
    queue.start()
  }

  deinit { queue.cancel() }

  /// Images that could not be read so far, in the order of the batches handed out.
  public var badFiles: [BadFile] { record.files }

  /// The number of the batch that ``next()`` returns: what a checkpoint keeps.
  public var position: Int { nextBatch }

  /// Whether ``next()`` would not wait.
  public var isReady: Bool { failure != nil || queue.isReady(rows) }

  /// The next batch in order, waiting for it if need be; nil after a test's last.
  ///
  /// - Throws: ``LoaderError``; then no further batch comes.
  public func next() throws -> DetectionBatch? {
    if let failure { throw failure }
    let start = ContinuousClock.now
    do {
      var taken: [Row] = []
      while taken.count < rows, let row = try queue.take() { taken.append(row) }
      guard !taken.isEmpty else { return nil }
      let waited = (ContinuousClock.now - start) / .seconds(1)
      try record.record(seen: taken.count, bad: taken.compactMap(\.bad))
      defer { nextBatch += 1 }
      return DetectionBatch(number: nextBatch, examples: taken.compactMap(\.example), waited: waited)
    } catch {
      failure = error as? LoaderError ?? .failed("\(error)")
      throw failure ?? error
    }
  }
}

/// Makes the rows of training batches.
private struct TrainingRows: Sendable {
  let mapper: DetectionMapper
  let flip: Double
  let seed: UInt64
  private let isWide: [Bool]
  private let images: [[Int]]

  /// - Parameter alike: Images of one value can stand in for each other.
  init(mapper: DetectionMapper, flip: Double, seed: UInt64, alike: [Bool]) {
    (self.mapper, self.flip, self.seed, isWide) = (mapper, flip, seed, alike)
    images = [false, true].map { value in alike.indices.filter { alike[$0] == value } }
  }

  /// The example of a showing; where its image cannot be read, that of another one, which follows from the seed and the
  /// showing alone.
  func row(
    _ showing: DetectionOrder.Showing, _ scratch: ViewScratch
  ) throws -> (DetectionExample, BadFile?) {
    do {
      return (try example(showing.image, showing, scratch), nil)
    } catch  where isFileToBlame(error) {
      let bad = BadFile(showing.image, of: mapper.dataset, error)
      let others = images[isWide[showing.image] ? 1 : 0]
      var generator = CounterGenerator(seed: seed, .substitution, showing.pass, showing.place)
      for _ in 0..<100 {
        let other = others[generator.index(below: others.count)]
        do { return (try example(other, showing, scratch), bad) } catch  where isFileToBlame(error) {
          continue
        }
      }
      throw LoaderError.noSubstitute(bad)
    }
  }

  private func example(
    _ image: Int, _ showing: DetectionOrder.Showing, _ scratch: ViewScratch
  ) throws -> DetectionExample {
    var generator = CounterGenerator(seed: seed, .geometry, showing.pass, showing.place)
    let (shortSide, isFlipped) = mapper.resize.draw(flip: flip, using: &generator)
    return try mapper.example(image, shortSide: shortSide, isFlipped: isFlipped, using: scratch.decode)
  }
}

extension BadFile {
  /// An image of a detection set.
  package init(_ image: Int, of dataset: DetectionDataset, _ error: any Error) {
    let reason = (error as? ImageError).map { "\($0.reason)" } ?? "\(error)"
    self.init(sample: image, name: dataset.images[image].path, reason: reason)
  }
}
