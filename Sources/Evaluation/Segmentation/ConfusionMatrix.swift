/// Pixels by true and predicted class, and the measures of semantic segmentation that follow from them.
package struct ConfusionMatrix: Sendable, Equatable {
  package let classes: Int
  /// [truth][prediction], row-major.
  package private(set) var counts: [Int]

  package init(classes: Int) {
    precondition(classes > 0, "\(classes) classes")
    self.classes = classes
    counts = Array(repeating: 0, count: classes * classes)
  }

  /// - Parameter counts: [truth][prediction], row-major.
  init(classes: Int, counts: [Int]) {
    precondition(counts.count == classes * classes, "\(counts.count) numbers of \(classes) classes")
    (self.classes, self.counts) = (classes, counts)
  }

  /// Adds an image. Pixels whose truth is `void` are left out.
  /// - Throws: ``EvaluationError`` for a class that there is not, or images of different sizes.
  package mutating func add(truth: [UInt8], prediction: [UInt8], void: UInt8? = 255, name: String) throws {
    guard truth.count == prediction.count else {
      throw EvaluationError.pixels(truth: truth.count, prediction: prediction.count, name: name)
    }
    // One pass over pairs of bytes, then one over the classes.
    for (pair, count) in pairCounts(truth, prediction).enumerated() where count > 0 {
      let (real, predicted) = (pair >> 8, pair & 255)
      if let void, real == Int(void) { continue }
      guard real < classes else {
        throw EvaluationError.strangeClass(real, classes: classes, name: "the truth of \(name)")
      }
      guard predicted < classes else {
        throw EvaluationError.strangeClass(predicted, classes: classes, name: "the prediction of \(name)")
      }
      counts[real * classes + predicted] += count
    }
  }

  /// Adds the pixels of another one of the same classes.
  package mutating func add(_ other: ConfusionMatrix) {
    precondition(classes == other.classes, "\(classes) and \(other.classes) classes")
    for place in counts.indices { counts[place] += other.counts[place] }
  }

  /// Pixels whose class was predicted.
  package var rightPixels: Int { (0..<classes).reduce(0) { $0 + self[$1, $1] } }

  package subscript(_ truth: Int, _ prediction: Int) -> Int { counts[truth * classes + prediction] }

  package func truePixels(_ index: Int) -> Int { (0..<classes).reduce(0) { $0 + self[index, $1] } }
  package func predictedPixels(_ index: Int) -> Int { (0..<classes).reduce(0) { $0 + self[$1, index] } }
  package var allPixels: Int { counts.reduce(0, +) }

  /// Nil for a class that occurs in neither.
  package func intersectionOverUnion(_ index: Int) -> Double? {
    let union = truePixels(index) + predictedPixels(index) - self[index, index]
    return union == 0 ? nil : Double(self[index, index]) / Double(union)
  }

  /// The share of a class's pixels that are right; nil for a class that does not occur.
  package func accuracy(_ index: Int) -> Double? {
    let count = truePixels(index)
    return count == 0 ? nil : Double(self[index, index]) / Double(count)
  }

  /// Classes that a mean is over.
  package enum Means: Sendable {
    /// Those that occur in the truth, as detectron2 takes them.
    case present
    /// All, as VOC's development kit takes them; one that occurs nowhere makes it NaN.
    case all
  }

  package func meanIntersectionOverUnion(_ means: Means) -> Double {
    switch means {
    case .all: mean((0..<classes).map { intersectionOverUnion($0) ?? .nan })
    case .present: mean(present.compactMap(intersectionOverUnion))
    }
  }

  package var meanAccuracy: Double { mean(present.compactMap(accuracy)) }
  package var pixelAccuracy: Double {
    Double(rightPixels) / Double(allPixels)
  }

  /// IoU weighted by the classes' pixels.
  package var frequencyWeighted: Double {
    present.reduce(0) { sum, index in
      sum + (intersectionOverUnion(index) ?? 0) * (Double(truePixels(index)) / Double(allPixels))
    }
  }

  private var present: [Int] { (0..<classes).filter { truePixels($0) > 0 } }
  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
}

/// Pixels by their pair of bytes: 65,536 numbers, the first byte's times 256.
private func pairCounts(_ first: [UInt8], _ second: [UInt8]) -> [Int] {
  var counts = [Int](repeating: 0, count: 1 << 16)
  let everyByte: UInt64 = 0x0101_0101_0101_0101
  counts.withUnsafeMutableBufferPointer { counts in
    first.withUnsafeBytes { first in
      second.withUnsafeBytes { second in
        var pixel = 0
        while pixel < first.count {
          let (a, b) = (first[pixel], second[pixel])
          // Maps are made of long runs: eight pixels at a time.
          let isRun =
            first.count - pixel >= 8
            && first.loadUnaligned(fromByteOffset: pixel, as: UInt64.self) == UInt64(a) &* everyByte
            && second.loadUnaligned(fromByteOffset: pixel, as: UInt64.self) == UInt64(b) &* everyByte
          let step = isRun ? 8 : 1
          counts[Int(a) << 8 | Int(b)] += step
          pixel += step
        }
      }
    }
  }
  return counts
}
