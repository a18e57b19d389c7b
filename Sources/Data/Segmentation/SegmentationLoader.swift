import Images
import Torch

/// Crops of images with their labels, ready for a network.
public struct SegmentationBatch: Sendable, Equatable {
  /// Counted from the run's beginning.
  public let number: Int
  /// N × S × S × 3 bytes, RGB; N is the rank's share of the batch.
  public let images: [UInt8]
  /// N × S × S classes; ``LabelMap/ignored`` counts nowhere.
  public let labels: [UInt8]
  /// S.
  public let cropSize: Int
  /// In the data set, one a row: of a bad image the one that came in its place.
  public let indices: [Int]
  /// Seconds that ``SegmentationLoader/next()`` waited for it.
  public let waited: Double

  public var count: Int { indices.count }
}

/// Reads, decodes, scales and crops on threads of its own, a few batches ahead: random batches without an end.
///
/// A batch depends on the data set, the seed, the transform and its number only: not on the number of threads, nor on
/// where the run began. A checkpoint needs to hold the number of the next batch, and nothing else of the loader. Use it
/// from one thread; releasing it ends its threads.
public final class SegmentationLoader {
  private struct Crop: Sendable {
    let image: [UInt8]
    let labels: [UInt8]
    let index: Int
  }

  private let rows: RowLoader<Crop>
  private let cropSize: Int

  /// - Parameters:
  ///   - batchSize: Of all ranks together; it divides by them.
  ///   - workers: Threads, at least 1.
  ///   - prefetch: Batches that are made ahead.
  ///   - first: The number of the first batch; a resumed run gets what the unbroken one would have got.
  ///   - maxBad: More unusable images than this share end it; each is replaced by another.
  public init(
    _ dataset: SegmentationDataset, _ transform: SegmentationTransform, batchSize: Int, seed: UInt64,
    rank: Rank = .only, workers: Int = 2, prefetch: Int = 2, from first: Int = 0,
    maxBad: Fraction = .fivePercent
  ) {
    precondition(first >= 0, "batch \(first)")
    cropSize = transform.cropSize
    let isWide = Array(repeating: false, count: dataset.count)  // crops have one shape
    let sampling = DetectionSampling(batchSize: batchSize, seed: seed, groupsByAspect: false, rank: rank)
    let training = TrainingRows(seed: seed, alike: isWide) { image, showing, scratch in
      var generator = CounterGenerator(seed: seed, .geometry, showing.pass, showing.place)
      return try Self.crop(image, of: dataset, transform, &generator, scratch.decode)
    } bad: {
      BadFile($0, of: dataset, $1)
    }
    rows = .training(
      training, isWide, sampling, workers: workers, prefetch: prefetch, from: first, maxBad: maxBad)
  }

  private static func crop(
    _ index: Int, of dataset: SegmentationDataset, _ transform: SegmentationTransform,
    _ generator: inout CounterGenerator, _ scratch: DecodeScratch
  ) throws -> Crop {
    try dataset.withExample(index, using: scratch) { pixels, labels in
      try dataset.checkForTraining(labels, index)
      let side = transform.cropSize
      var image = [UInt8](repeating: 0, count: side * side * 3)
      var classes = [UInt8](repeating: 0, count: side * side)
      let geometry = transform.draw(height: labels.height, width: labels.width, using: &generator)
      try image.withUnsafeMutableBytes { image in
        try classes.withUnsafeMutableBytes { classes in
          try transform.write(geometry, of: pixels, labels, image: image, classes: classes)
        }
      }
      return Crop(image: image, labels: classes, index: index)
    }
  }

  /// Images that could not be used so far, and masks, in the order of the batches handed out.
  public var badFiles: [BadFile] { rows.badFiles }

  /// The number of the batch that ``next()`` returns: what a checkpoint keeps.
  public var position: Int { rows.position }

  /// Whether ``next()`` would not wait.
  public var isReady: Bool { rows.isReady }

  /// The next batch in order, waiting for it if need be. It is never nil.
  ///
  /// - Throws: ``LoaderError``; then no further batch comes.
  public func next() throws -> SegmentationBatch? {
    guard let batch = try rows.next() else { return nil }
    var (images, labels) = ([UInt8](), [UInt8]())
    images.reserveCapacity(batch.examples.count * cropSize * cropSize * 3)
    labels.reserveCapacity(batch.examples.count * cropSize * cropSize)
    for crop in batch.examples {
      images += crop.image
      labels += crop.labels
    }
    return SegmentationBatch(
      number: batch.number, images: images, labels: labels, cropSize: cropSize,
      indices: batch.examples.map(\.index), waited: batch.waited)
  }
}

extension SegmentationDataset {
  /// - Throws: ``MaskError`` for a mask without a pixel that a loss could use.
  func checkForTraining(_ labels: LabelMap, _ index: Int) throws {
    guard labels.labels.allSatisfy({ $0 == LabelMap.ignored }) else { return }
    throw MaskError(path: images[index].mask ?? images[index].path, .allIgnored)
  }
}

/// Every image of the rank's share once, in order, at its own size, read on threads ahead. Images and masks that cannot
/// be used are left out and listed.
public final class SegmentationTestLoader {
  private let rows: RowLoader<SegmentationExample>

  /// - Parameter rank: Each has images that lie together.
  public init(
    _ dataset: SegmentationDataset, rank: Rank = .only, workers: Int = 2, prefetch: Int = 4,
    maxBad: Fraction = .fivePercent
  ) {
    rows = .testing(
      dataset.count, rows: 1, rank: rank, workers: workers, prefetch: prefetch, maxBad: maxBad
    ) { index, scratch in
      try dataset.example(index, using: scratch.decode)
    } bad: {
      BadFile($0, of: dataset, $1)
    }
  }

  public var badFiles: [BadFile] { rows.badFiles }

  /// The next image, waiting for it if need be; nil after the last.
  ///
  /// - Throws: ``LoaderError``; then no further image comes.
  public func next() throws -> SegmentationExample? {
    while let batch = try rows.next() {
      if let example = batch.examples.first { return example }
    }
    return nil
  }
}
