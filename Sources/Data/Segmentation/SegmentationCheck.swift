import Files
import Images

/// Reads every image of a segmentation set and its mask, and counts the pixels of each class.
package struct SegmentationCheck {
  /// What is read of an image.
  package enum Depth: Sendable {
    /// Its pixels and its mask. A mask without a class is a fault, because training has no use for it.
    case training
    /// Its size and its mask, which may be without a class.
    case test
    /// Its mask alone. One without a class is a fault.
    case masks
  }

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
    /// Images whose pixels are counted.
    package private(set) var images = 0
    /// Whether the numbers of masks are by the user's own list of classes, and no known set's.
    private let hasOwnNumbers: Bool

    package init(_ dataset: SegmentationDataset) {
      classes = dataset.classNames.map { Class(name: $0) }
      hasOwnNumbers = dataset.hasOwnNumbers
    }

    package mutating func add(_ entry: Entry) {
      if let fault = entry.fault { faults.append(fault) } else { images += 1 }
      for (place, pixels) in entry.pixels.enumerated() where pixels > 0 {
        classes[place].pixels += pixels
        classes[place].images += 1
      }
      ignored += entry.ignored
    }

    package var pixels: Int { classes.reduce(ignored) { $0 + $1.pixels } }

    /// The classes that no pixel has.
    package var absent: [String] { classes.filter { $0.images == 0 }.map(\.name) }

    /// The first of the absent classes: "a, b, … (12)".
    package var absentText: String {
      let names = absent
      return names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", … (\(names.count))" : "")
    }

    /// Why 255 may be meant as a class: two sentences, the last without a full stop; nil where nothing speaks for it. Masks of 0
    /// and 255 are common, and here 255 has no class.
    package var warning: String? {
      guard hasOwnNumbers, ignored > 0, let number = classes.firstIndex(where: { $0.images == 0 }) else {
        return nil
      }
      let share = fixed(100 * Double(ignored) / Double(pixels), 1)
      return
        "none of \(counted(images, "mask")) has a pixel of \(absentText), and \(share) % of the pixels have the number "
        + "255, which is ignored: neither learned from nor tested. If 255 is meant as a class, as in masks of 0 and 255, "
        + "write the class's number in its place: \(number) for \(classes[number].name)"
    }
  }

  package let dataset: SegmentationDataset
  private let workers: Int
  private let depth: Depth

  /// - Parameter workers: Threads that decode, at least 1.
  package init(_ dataset: SegmentationDataset, _ depth: Depth = .training, workers: Int) {
    precondition(workers >= 1, "\(workers) workers")
    (self.dataset, self.depth, self.workers) = (dataset, depth, workers)
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
        [dataset, depth] place in
        try dataset.entry(start + place, depth)
      }
      try entries.forEach(progress)
    }
  }
}

extension SegmentationDataset {
  /// Whether masks are files whose numbers are places in a `classes.txt`.
  fileprivate var hasOwnNumbers: Bool {
    guard kind == .folder, case .files(let reader) = masks else { return false }
    return !reader.code.hasColors
  }

  fileprivate func entry(_ index: Int, _ depth: SegmentationCheck.Depth) throws -> SegmentationCheck.Entry {
    do {
      let labels = try labels(index, depth)
      if depth != .test { try checkForTraining(labels, index) }
      let counts = labels.counts
      return .init(
        pixels: Array(counts.prefix(classNames.count)), ignored: counts[Int(LabelMap.ignored)], fault: nil)
    } catch  where isFileToBlame(error) {
      return .init(pixels: [], ignored: 0, fault: BadFile(index, of: self, error))
    }
  }

  private func labels(_ index: Int, _ depth: SegmentationCheck.Depth) throws -> LabelMap {
    let scratch = DecodeScratch()
    return try withExtendedLifetime(scratch) {
      switch depth {
      case .training: return try withExample(index, using: scratch) { _, labels in labels }
      case .masks: return try labels(index)
      case .test:
        let labels = try labels(index)
        try decoder.checkSize(
          of: images[index].path, height: labels.height, width: labels.width, from: "its mask has",
          using: scratch)
        return labels
      }
    }
  }
}
