import Files

/// Precision and recall at every threshold, recall, category, area and limit; −1 where there is nothing to find.
package struct PrecisionTable: Sendable {
  package let thresholds: [Double]
  package let recalls: [Double]
  package let categories: Int
  package let areas: Int
  package let limits: [Int]
  /// [threshold, recall, category, area, limit], row-major.
  package private(set) var precision: [Double]
  /// The score at which each recall is reached; the same axes.
  package private(set) var scores: [Double]
  /// [threshold, category, area, limit]: the highest recall.
  package private(set) var recall: [Double]

  /// - Parameter counted: Annotations that count, [category, area].
  init(
    _ pairs: DetectionPairs, _ bits: MatchBits, counted: [Int], thresholds: [Double], recalls: [Double],
    categories: Int, limits: [Int]
  ) {
    (self.thresholds, self.recalls, self.categories) = (thresholds, recalls, categories)
    (areas, self.limits) = (bits.areas, limits)
    let cells = thresholds.count * categories * bits.areas * limits.count
    precision = Array(repeating: -1, count: cells * recalls.count)
    scores = precision
    recall = Array(repeating: -1, count: cells)
    let shape = Shape(
      thresholds: thresholds.count, recalls: recalls.count, categories: categories, areas: bits.areas,
      limits: limits.count)
    precision.withUnsafeMutableBufferPointer { precision in
      scores.withUnsafeMutableBufferPointer { scores in
        recall.withUnsafeMutableBufferPointer { recall in
          // Each category has places of its own.
          nonisolated(unsafe) let out = Output(
            shape: shape, precision: precision, scores: scores, recall: recall)
          inParallel(categories, threads: Cores.usable) { category in
            var curve = PrecisionCurve()
            let found = pairs.foundStarts[category]..<pairs.foundStarts[category + 1]
            // A stable order: equal scores stay in the order of the images.
            let order = found.sorted { pairs.scores[$0] > pairs.scores[$1] }
            for (place, limit) in limits.enumerated() {
              let within = order.filter { Int(pairs.ranks[$0]) < limit }
              for area in 0..<bits.areas {
                let count = counted[category * bits.areas + area]
                guard count > 0 else { continue }
                for threshold in thresholds.indices {
                  curve.read(within, pairs.scores, bits, bit: area * thresholds.count + threshold)
                  curve.write(
                    Cell(threshold: threshold, category: category, area: area, limit: place), count: count,
                    recalls, out)
                }
              }
            }
          }
        }
      }
    }
  }

  struct Cell {
    var threshold: Int
    var category: Int
    var area: Int
    var limit: Int
  }

  struct Shape {
    var thresholds: Int
    var recalls: Int
    var categories: Int
    var areas: Int
    var limits: Int

    func place(_ cell: Cell) -> Int {
      ((cell.threshold * categories + cell.category) * areas + cell.area) * limits + cell.limit
    }
    func place(_ cell: Cell, recall: Int) -> Int {
      (((cell.threshold * recalls + recall) * categories + cell.category) * areas + cell.area) * limits
        + cell.limit
    }
  }

  struct Output {
    var shape: Shape
    var precision: UnsafeMutableBufferPointer<Double>
    var scores: UnsafeMutableBufferPointer<Double>
    var recall: UnsafeMutableBufferPointer<Double>
  }

  var shape: Shape {
    Shape(
      thresholds: thresholds.count, recalls: recalls.count, categories: categories, areas: areas,
      limits: limits.count)
  }

  // MARK: - Means

  /// The mean over recalls, and over all thresholds and categories that are given, of what is not absent; nil where all
  /// is.
  package func meanPrecision(
    thresholds chosen: [Int]? = nil, categories chosenCategories: [Int]? = nil, area: Int = 0, limit: Int
  ) -> Double? {
    var sum = 0.0
    var count = 0
    for threshold in chosen ?? Array(thresholds.indices) {
      for recall in recalls.indices {
        for category in chosenCategories ?? Array(0..<categories) {
          let value = precision[
            shape.place(
              Cell(threshold: threshold, category: category, area: area, limit: limit), recall: recall)]
          if value > -1 {
            sum += value
            count += 1
          }
        }
      }
    }
    return count == 0 ? nil : sum / Double(count)
  }

  package func meanRecall(
    thresholds chosen: [Int]? = nil, categories chosenCategories: [Int]? = nil, area: Int = 0, limit: Int
  ) -> Double? {
    var sum = 0.0
    var count = 0
    for threshold in chosen ?? Array(thresholds.indices) {
      for category in chosenCategories ?? Array(0..<categories) {
        let value = recall[
          shape.place(Cell(threshold: threshold, category: category, area: area, limit: limit))]
        if value > -1 {
          sum += value
          count += 1
        }
      }
    }
    return count == 0 ? nil : sum / Double(count)
  }

  /// Precision at each recall; empty where the category is absent.
  package func curve(threshold: Int, category: Int, area: Int = 0, limit: Int) -> [Double] {
    let cell = Cell(threshold: threshold, category: category, area: area, limit: limit)
    let values = recalls.indices.map { precision[shape.place(cell, recall: $0)] }
    return values.contains(-1) ? [] : values
  }
}

/// Precision after each right detection, by falling score.
private struct PrecisionCurve {
  private var precision: [Double] = []
  private var scores: [Double] = []
  /// The first detection's, right or wrong.
  private var firstScore = 0.0
  private var isEmpty = true

  mutating func read(_ order: [Int], _ allScores: [Double], _ bits: MatchBits, bit: Int) {
    let (word, shift) = (bit >> 6, UInt64(bit & 63))
    var (right, wrong) = (0.0, 0.0)
    precision.removeAll(keepingCapacity: true)
    scores.removeAll(keepingCapacity: true)
    isEmpty = order.isEmpty
    firstScore = order.first.map { allScores[$0] } ?? 0
    bits.matched.withUnsafeBufferPointer { matched in
      bits.ignored.withUnsafeBufferPointer { ignored in
        for found in order {
          let place = found * bits.words + word
          if ignored[place] >> shift & 1 == 1 { continue }
          if matched[place] >> shift & 1 == 0 {
            wrong += 1
            continue
          }
          right += 1
          precision.append(right / (wrong + right + 0x1p-52))  // numpy.spacing(1)
          scores.append(allScores[found])
        }
      }
    }
    for place in precision.indices.dropLast().reversed() {
      precision[place] = max(precision[place], precision[place + 1])
    }
  }

  /// - Parameter count: Annotations that count.
  func write(_ cell: PrecisionTable.Cell, count: Int, _ recalls: [Double], _ out: PrecisionTable.Output) {
    out.recall[out.shape.place(cell)] = isEmpty ? 0 : Double(precision.count) / Double(count)
    var right = 0
    for (place, recall) in recalls.enumerated() {
      // Recall 0 is reached at the first detection, before a right one.
      while right < precision.count, Double(right + 1) / Double(count) < recall { right += 1 }
      let isReached = recall <= 0 ? !isEmpty : right < precision.count
      let target = out.shape.place(cell, recall: place)
      out.precision[target] = right < precision.count ? precision[right] : 0
      out.scores[target] = !isReached ? 0 : recall <= 0 ? firstScore : scores[right]
    }
  }
}
