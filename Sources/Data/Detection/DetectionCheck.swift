import Files
import Images

/// Decodes every image of a detection set, or reads its header, and compares its size with its annotations'.
package struct DetectionCheck {
  package let dataset: DetectionDataset
  private let workers: Int
  private let decodes: Bool

  /// - Parameters:
  ///   - decodes: Whether pixels are decoded; otherwise headers are read.
  ///   - workers: Threads that read, at least 1.
  package init(_ dataset: DetectionDataset, decodes: Bool = true, workers: Int) {
    precondition(workers >= 1, "\(workers) workers")
    (self.dataset, self.decodes, self.workers) = (dataset, decodes, workers)
  }

  /// Opens a set with everything that its files have, and however much is left out.
  package static func open(
    _ spec: String, decoder: ImageDecoder, workers: Int
  ) throws(DatasetError) -> DetectionDataset {
    var options = DetectionOptions(maxLeftOut: Fraction(value: 1), decoder: decoder, workers: workers)
    let boxes = try DetectionDataset.open(spec, options)
    guard boxes.hasMasks else { return boxes }
    options.masks = true
    return try DetectionDataset.open(spec, options)
  }

  /// Hands the fault of every image to `progress`, in order; nil for a good one.
  ///
  /// - Throws: Errors that are no image's, and those of `progress`.
  package func run(_ progress: (BadFile?) throws -> Void) throws {
    let mapper = DetectionMapper(dataset, ResizeShortestEdge(shortSides: [1], maxSide: 1))
    let together = workers * 16
    for start in stride(from: 0, to: dataset.count, by: together) {
      let faults = try inParallel(min(together, dataset.count - start), threads: workers) {
        [decodes] place -> BadFile? in
        let scratch = DecodeScratch()
        do {
          try withExtendedLifetime(scratch) {
            let index = start + place
            if decodes {
              try mapper.verify(index, using: scratch)
            } else {
              try mapper.verifySize(index, using: scratch)
            }
          }
          return nil
        } catch  where isFileToBlame(error) {
          return BadFile(start + place, of: mapper.dataset, error)
        }
      }
      try faults.forEach(progress)
    }
  }
}
