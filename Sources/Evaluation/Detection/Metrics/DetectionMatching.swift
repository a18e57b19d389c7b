/// What became of each detection at each threshold and area: bits, area · thresholds + threshold.
struct MatchBits: Sendable {
  let thresholds: Int
  let areas: Int
  /// 64-bit words a detection.
  let words: Int
  /// It matches an annotation.
  var matched: [UInt64]
  /// It counts neither way.
  var ignored: [UInt64]

  init(detections: Int, thresholds: Int, areas: Int) {
    (self.thresholds, self.areas) = (thresholds, areas)
    words = (thresholds * areas + 63) / 64
    matched = Array(repeating: 0, count: detections * words)
    ignored = Array(repeating: 0, count: detections * words)
  }
}

/// Compares the detections of one image and category with its annotations, at all thresholds and areas in one pass.
///
/// A detection takes the free annotation that counts with the highest overlap, of equal ones the last; only where there
/// is none does it take one that does not count.
struct DetectionMatcher {
  /// The least overlap of each threshold.
  let leasts: [Double]
  let areas: [ClosedRange<Double>]
  /// Whether a crowd is free after a match.
  let crowdsMatchMany: Bool

  private let lowest: Double
  private let words: Int
  private var used: [UInt64] = []
  private var isIgnored: [UInt64] = []
  private var candidates: [Int] = []

  init(thresholds: [Double], areas: [ClosedRange<Double>], crowdsMatchMany: Bool) {
    precondition(areas.count <= 64, "\(areas.count) ranges of areas, and at most 64 are counted")
    leasts = thresholds.map { min($0, 1 - 1e-10) }
    (self.areas, self.crowdsMatchMany) = (areas, crowdsMatchMany)
    lowest = leasts.min() ?? 0
    words = (thresholds.count * areas.count + 63) / 64
  }

  /// An annotation of the pair.
  struct Truth {
    var area: Double
    var isCrowd: Bool
    /// It counts at no area.
    var isIgnored: Bool
    /// A match with it is counted as one.
    var canMatch: Bool
  }

  /// - Parameters:
  ///   - overlaps: Detections × truths.
  ///   - foundAreas: Of the detections, by falling score.
  ///   - isLeftOpen: Detections without match count neither way.
  mutating func match(
    overlaps: UnsafePointer<Double>, foundAreas: UnsafeBufferPointer<Double>,
    truths: UnsafeBufferPointer<Truth>,
    isLeftOpen: Bool, matched: UnsafeMutablePointer<UInt64>, ignored: UnsafeMutablePointer<UInt64>
  ) {
    prepare(truths)
    for found in 0..<foundAreas.count {
      let row = overlaps + found * truths.count
      candidates.removeAll(keepingCapacity: true)
      for truth in 0..<truths.count where row[truth] >= lowest { candidates.append(truth) }
      let (matched, ignored) = (matched + found * words, ignored + found * words)
      if !candidates.isEmpty { take(row, truths, matched, ignored) }
      leaveOut(foundAreas[found], isLeftOpen, matched, ignored)
    }
  }

  private mutating func prepare(_ truths: UnsafeBufferPointer<Truth>) {
    used.removeAll(keepingCapacity: true)
    used.append(contentsOf: repeatElement(0, count: truths.count * words))
    isIgnored.removeAll(keepingCapacity: true)
    for truth in truths {
      var mask: UInt64 = truth.isIgnored ? .max : 0
      for (place, area) in areas.enumerated() where !area.contains(truth.area) { mask |= 1 << UInt64(place) }
      isIgnored.append(mask)
    }
  }

  /// Matches one detection with one of the candidates, at each threshold and area.
  private mutating func take(
    _ row: UnsafePointer<Double>, _ truths: UnsafeBufferPointer<Truth>,
    _ matched: UnsafeMutablePointer<UInt64>,
    _ ignored: UnsafeMutablePointer<UInt64>
  ) {
    var bit = 0
    for area in areas.indices {
      for least in leasts {
        let (word, mask) = (bit >> 6, UInt64(1) << UInt64(bit & 63))
        bit += 1
        var best = -1
        var bestIsIgnored = true
        var overlap = least
        for truth in candidates {
          let overlapHere = row[truth]
          let isOut = isIgnored[truth] >> UInt64(area) & 1 == 1
          // One that counts comes before all that do not.
          if isOut && !bestIsIgnored { continue }
          if overlapHere < (isOut == bestIsIgnored ? overlap : least) { continue }
          if used[truth * words + word] & mask != 0, !(crowdsMatchMany && truths[truth].isCrowd) { continue }
          (best, bestIsIgnored, overlap) = (truth, isOut, overlapHere)
        }
        guard best >= 0 else { continue }
        used[best * words + word] |= mask
        if truths[best].canMatch { matched[word] |= mask }
        if bestIsIgnored { ignored[word] |= mask }
      }
    }
  }

  /// Without a match a detection outside an area's range counts neither way there.
  private func leaveOut(
    _ foundArea: Double, _ isLeftOpen: Bool, _ matched: UnsafeMutablePointer<UInt64>,
    _ ignored: UnsafeMutablePointer<UInt64>
  ) {
    var bit = 0
    for area in areas {
      if !isLeftOpen, area.contains(foundArea) {
        bit += leasts.count
        continue
      }
      for _ in leasts {
        let (word, mask) = (bit >> 6, UInt64(1) << UInt64(bit & 63))
        if matched[word] & mask == 0 { ignored[word] |= mask }
        bit += 1
      }
    }
  }
}
