import Files
import Images

/// Decodes every image of a segmentation set and its mask, and counts the pixels of each class.
package struct SegmentationCheck {
  /// Of one image.
  package struct Entry: Sendable, Equatable {
    /// Pixels of each class.
    package let pixels: [Int]
    /// Pixels that count nowhere.
    package let ignored: Int
    /// Why training cannot use it; then there are no pixels.
    package let fault: BadFile?
  }

  /// Of the whole set.
  package struct Totals: Sendable, Equatable {
    package struct Class: Sendable, Equatable, Codable {
      package var name: String
      package var pixels = 0
      /// Those that have the class.
      package var images = 0
    }

    package private(set) var classes: [Class]
    package private(set) var ignored = 0
    package private(set) var faults: [BadFile] = []

    package init(_ dataset: SegmentationDataset) { classes = dataset.classNames.map { Class(name: $0) } }

    package mutating func add(_ entry: Entry) {
      if let fault = entry.fault { faults.append(fault) }
      for (place, pixels) in entry.pixels.enumerated() where pixels > 0 {
        classes[place].pixels += pixels
        classes[place].images += 1
      }
      ignored += entry.ignored
    }

    package var pixels: Int { classes.reduce(ignored) { $0 + $1.pixels } }
  }

  package let dataset: SegmentationDataset
  private let workers: Int

  /// - Parameter workers: Threads that decode, at least 1.
  package init(_ dataset: SegmentationDataset, workers: Int) {
    precondition(workers >= 1, "\(workers) workers")
    (self.dataset, self.workers) = (dataset, workers)
  }

  /// Opens a set, however much is left out.
  package static func open(
    _ spec: String, decoder: ImageDecoder, workers: Int
  ) throws(DatasetError) -> SegmentationDataset {
    try SegmentationDataset.open(
      spec,
      SegmentationOptions(
        use: .testing, maxLeftOut: Fraction(value: 1), decoder: decoder, workers: workers))
  }

  /// Hands every image's entry to `progress`, in order.
  ///
  /// - Throws: Errors that are no image's, and those of `progress`.
  package func run(_ progress: (Entry) throws -> Void) throws {
    let together = workers * 16
    for start in stride(from: 0, to: dataset.count, by: together) {
      let entries = try inParallel(min(together, dataset.count - start), threads: workers) {
        [dataset] place in
        try dataset.entry(start + place)
      }
      try entries.forEach(progress)
    }
  }
}

extension SegmentationDataset {
  fileprivate func entry(_ index: Int) throws -> SegmentationCheck.Entry {
    let scratch = DecodeScratch()
    do {
      let counts = try withExtendedLifetime(scratch) {
        try withExample(index, using: scratch) { _, labels in
          try checkForTraining(labels, index)
          return labels.counts
        }
      }
      return .init(
        pixels: Array(counts.prefix(classNames.count)), ignored: counts[Int(LabelMap.ignored)], fault: nil)
    } catch  where isFileToBlame(error) {
      return .init(pixels: [], ignored: 0, fault: BadFile(index, of: self, error))
    }
  }
}
