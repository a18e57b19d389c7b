import Torch

/// Batches whose rows are made on threads, a few ahead, and the record of the files that could not be read.
///
/// A batch depends on its number only: not on the number of threads, nor on where the run began. Use it from one thread;
/// releasing it ends its threads.
final class RowLoader<Example: Sendable> {
  /// What a thread makes of one row.
  struct Row: Sendable {
    var example: Example?
    var bad: BadFile?
  }

  struct Batch {
    /// Counted from the run's beginning; in a test from 0.
    let number: Int
    /// Those that could be read, or were put in their place.
    let examples: [Example]
    /// Seconds that ``next()`` waited for it.
    let waited: Double
  }

  private let queue: LoadAhead<Row>
  private let rows: Int
  private var nextBatch: Int
  private var failure: (any Error)?
  private var record: BadFileRecord

  /// - Parameters:
  ///   - images: In the data set.
  ///   - rows: Of a batch.
  ///   - end: The number of rows; nil never stops.
  ///   - make: A row by its number.
  init(
    _ images: Int, rows: Int, first: Int, end: Int?, workers: Int, prefetch: Int, ranks: Int,
    maxBad: Fraction,
    _ make: @escaping @Sendable (Int, ViewScratch) throws -> Row
  ) {
    (self.rows, nextBatch) = (rows, first)
    record = BadFileRecord(count: images, ranks: ranks, allowed: maxBad)
    queue = LoadAhead(from: first * rows, to: end, ahead: prefetch * rows, workers: workers, make)
    queue.start()
  }

  deinit { queue.cancel() }

  /// Random batches without an end.
  static func training(
    _ training: TrainingRows<Example>, _ isWide: [Bool], _ sampling: DetectionSampling, workers: Int,
    prefetch: Int, from first: Int, maxBad: Fraction
  ) -> RowLoader {
    let rows = sampling.batchSize / sampling.rank.count
    let batches = DetectionBatches(isWide: isWide, sampling, first: first, window: prefetch + 2)
    return RowLoader(
      isWide.count, rows: rows, first: first, end: nil, workers: workers, prefetch: prefetch,
      ranks: sampling.rank.count, maxBad: maxBad
    ) { number, scratch in
      try training.row(batches.rows(number / rows)[number % rows], scratch)
    }
  }

  /// Every image of the rank's share once, in order. Each rank has images that lie together; unreadable ones are left
  /// out of their batch.
  static func testing(
    _ images: Int, rows: Int, rank: Rank, workers: Int, prefetch: Int, maxBad: Fraction,
    _ make: @escaping @Sendable (Int, ViewScratch) throws -> Example,
    bad: @escaping @Sendable (Int, any Error) -> BadFile
  ) -> RowLoader {
    precondition(rows >= 1, "batches of \(rows) images")
    let share = rank.share(of: images)
    return RowLoader(
      images, rows: rows, first: 0, end: share.count, workers: workers, prefetch: prefetch, ranks: rank.count,
      maxBad: maxBad
    ) { number, scratch in
      let image = share.lowerBound + number
      do { return Row(example: try make(image, scratch)) } catch  where isFileToBlame(error) {
        return Row(bad: bad(image, error))
      }
    }
  }

  var badFiles: [BadFile] { record.files }
  var position: Int { nextBatch }
  var isReady: Bool { failure != nil || queue.isReady(rows) }

  /// The next batch in order, waiting for it if need be; nil after the last.
  ///
  /// - Throws: ``LoaderError``; then no further batch comes.
  func next() throws -> Batch? {
    if let failure { throw failure }
    let start = ContinuousClock.now
    do {
      var taken: [Row] = []
      while taken.count < rows, let row = try queue.take() { taken.append(row) }
      guard !taken.isEmpty else { return nil }
      let waited = (ContinuousClock.now - start) / .seconds(1)
      try record.record(seen: taken.count, bad: taken.compactMap(\.bad))
      defer { nextBatch += 1 }
      return Batch(number: nextBatch, examples: taken.compactMap(\.example), waited: waited)
    } catch {
      failure = error as? LoaderError ?? .failed("\(error)")
      throw failure ?? error
    }
  }
}

extension Rank {
  /// Its part of a test's images, which lie together; those of all ranks are the whole.
  package func share(of images: Int) -> Range<Int> { images * number / count..<images * (number + 1) / count }
}

/// Makes the rows of training batches: an image's example, or that of another where it cannot be read.
struct TrainingRows<Example: Sendable>: Sendable {
  private let seed: UInt64
  private let alike: [Bool]
  private let images: [[Int]]
  private let make: @Sendable (_ image: Int, DetectionOrder.Showing, ViewScratch) throws -> Example
  private let bad: @Sendable (Int, any Error) -> BadFile

  /// - Parameters:
  ///   - alike: Images of one value can stand in for each other.
  ///   - make: An image's example with the draws of a showing.
  init(
    seed: UInt64, alike: [Bool],
    _ make: @escaping @Sendable (_ image: Int, DetectionOrder.Showing, ViewScratch) throws -> Example,
    bad: @escaping @Sendable (Int, any Error) -> BadFile
  ) {
    (self.seed, self.alike, self.make, self.bad) = (seed, alike, make, bad)
    images = [false, true].map { value in alike.indices.filter { alike[$0] == value } }
  }

  /// What stands in follows from the seed and the showing alone.
  func row(_ showing: DetectionOrder.Showing, _ scratch: ViewScratch) throws -> RowLoader<Example>.Row {
    do {
      return .init(example: try make(showing.image, showing, scratch))
    } catch  where isFileToBlame(error) {
      let fault = bad(showing.image, error)
      let others = images[alike[showing.image] ? 1 : 0]
      var generator = CounterGenerator(seed: seed, .substitution, showing.pass, showing.place)
      for _ in 0..<100 {
        let other = others[generator.index(below: others.count)]
        do { return .init(example: try make(other, showing, scratch), bad: fault) } catch
          where isFileToBlame(error)
        {
          continue
        }
      }
      throw LoaderError.noSubstitute(fault)
    }
  }
}
