import Data
import Files
import Torch

/// Matches the detections of all pairs, on all cores.
struct PairMatching: Sendable {
  private let truth: COCOFile
  private let results: COCORows
  private let parameters: COCOParameters
  private let marks: TruthMarks
  private let imageSizes: [SIMD2<Int>]
  /// By row; computed from the mask or box where the file has none.
  private let truthAreas: [Double]?

  init(
    truth: COCOFile, results: COCORows, _ parameters: COCOParameters, images: IDTable,
    truths marks: TruthMarks
  ) {
    (self.truth, self.results, self.parameters, self.marks) = (truth, results, parameters, marks)
    var sizes = Array(repeating: SIMD2<Int>(0, 0), count: images.count)
    for image in truth.images {
      let place = Int(images.place(image.id))
      if place >= 0 { sizes[place] = SIMD2(image.height ?? 0, image.width ?? 0) }
    }
    imageSizes = sizes
    let annotations = truth.annotations
    truthAreas =
      (0..<annotations.count).contains { annotations.area($0).isNaN }
      ? (0..<annotations.count).map { row in
        annotations.area(row).isNaN ? Self.area(of: annotations, row, images, sizes) : annotations.area(row)
      } : nil
  }

  /// Of an annotation without the field: its mask's, or else its box's.
  private static func area(of rows: COCORows, _ row: Int, _ images: IDTable, _ sizes: [SIMD2<Int>]) -> Double
  {
    let image = Int(images.place(rows.imageID(row)))
    if image >= 0, rows.hasSegmentation(row), let mask = try? polygonMask(of: rows, row, sizes[image], "") {
      return Double(mask.area)
    }
    return rows.hasBox(row) ? rows.box(row)[2] * rows.box(row)[3] : 0
  }

  private func area(_ row: Int) -> Double { truthAreas?[row] ?? truth.annotations.area(row) }

  /// Pairs that a thread matches at a time.
  private static let block = 4096

  /// - Parameter isLeftOpen: Pairs whose detections without match count neither way.
  func match(
    _ pairs: DetectionPairs, isLeftOpen: @escaping @Sendable (DetectionPairs.Pair) -> Bool = { _ in false }
  ) throws -> MatchBits {
    var bits = MatchBits(
      detections: pairs.found.count, thresholds: parameters.thresholds.count, areas: parameters.areas.count)
    let words = bits.words
    try bits.matched.withUnsafeMutableBufferPointer { matched in
      try bits.ignored.withUnsafeMutableBufferPointer { ignored in
        guard let matched = matched.baseAddress, let ignored = ignored.baseAddress else { return }
        // Each pair has words of its own.
        nonisolated(unsafe) let out = (matched: matched, ignored: ignored)
        let count = pairs.pairs.count
        try inParallel((count + Self.block - 1) / Self.block, threads: Cores.usable) { number in
          let range = number * Self.block..<min(count, (number + 1) * Self.block)
          var overlaps = PairOverlaps(truth: truth, results: results, parameters, imageSizes: imageSizes)
          var matcher = DetectionMatcher(
            thresholds: parameters.thresholds, areas: parameters.areas,
            crowdsMatchMany: parameters.rules == .coco)
          var truths: [DetectionMatcher.Truth] = []
          for pair in pairs.pairs[range] {
            try overlaps.compute(pair, pairs)
            fill(&truths, pairs, pair)
            let start = Int(pair.foundStart) * words
            overlaps.overlaps.withUnsafeBufferPointer { values in
              overlaps.areas.withUnsafeBufferPointer { areas in
                truths.withUnsafeBufferPointer { truths in
                  matcher.match(
                    overlaps: values.baseAddress ?? UnsafePointer(Self.none), foundAreas: areas,
                    truths: truths, isLeftOpen: isLeftOpen(pair), matched: out.matched + start,
                    ignored: out.ignored + start)
                }
              }
            }
          }
        }
      }
    }
    return bits
  }

  /// In place of the overlaps of no pair.
  private static var none: UnsafeMutablePointer<Double> {
    UnsafeMutablePointer(bitPattern: 8).unsafelyUnwrapped
  }

  private func fill(
    _ truths: inout [DetectionMatcher.Truth], _ pairs: DetectionPairs, _ pair: DetectionPairs.Pair
  ) {
    truths.removeAll(keepingCapacity: true)
    for place in pair.truthStart..<pair.truthEnd {
      let row = Int(pairs.truths[Int(place)])
      truths.append(
        DetectionMatcher.Truth(
          area: area(row), isCrowd: truth.annotations.isCrowd(row), isIgnored: marks.isIgnored(row),
          canMatch: marks.canMatch(row)))
    }
  }

  /// Annotations that count, [category, area].
  func counted(_ pairs: DetectionPairs, categories: Int) -> [Int] {
    var counts = Array(repeating: 0, count: categories * parameters.areas.count)
    for category in 0..<categories {
      for place in pairs.truthStarts[category]..<pairs.truthStarts[category + 1] {
        let row = Int(pairs.truths[place])
        if marks.isIgnored(row) { continue }
        for (index, range) in parameters.areas.enumerated() where range.contains(area(row)) {
          counts[category * parameters.areas.count + index] += 1
        }
      }
    }
    return counts
  }
}
