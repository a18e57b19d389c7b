import Files

/// Average precision of PASCAL VOC, as the organisers' development kits count it, and as detectron2 does.
package struct VOCEvaluation: Sendable {
  /// Corners from 1 on, both inside: xmin, ymin, xmax, ymax, as in VOC's files.
  package struct Object: Sendable {
    package var image: Int
    package var classIndex: Int
    package var box: SIMD4<Double>
    package var isDifficult: Bool

    package init(image: Int, classIndex: Int, box: SIMD4<Double>, isDifficult: Bool) {
      (self.image, self.classIndex, self.box, self.isDifficult) = (image, classIndex, box, isDifficult)
    }
  }

  /// A box in the same coordinates.
  package struct Detection: Sendable {
    package var image: Int
    package var classIndex: Int
    package var score: Double
    package var box: SIMD4<Double>

    package init(image: Int, classIndex: Int, score: Double, box: SIMD4<Double>) {
      (self.image, self.classIndex, self.score, self.box) = (image, classIndex, score, box)
    }
  }

  package enum Rules: Sendable {
    /// Overlap ≥ threshold.
    case developmentKit
    /// Overlap > threshold, of detections whose scores have 3 decimals and whose coordinates have 1, as its evaluator
    /// writes them.
    case detectron2
  }

  /// A class at one threshold.
  package struct Curve: Sendable {
    /// Objects that are not difficult.
    package let objects: Int
    /// By falling score; NaN without objects.
    package let recall: [Double]
    /// NaN before the first detection that counts.
    package let precision: [Double]
    let rules: Rules

    /// The mean of the highest precision at 11 recalls: VOC 2007.
    package var elevenPoints: Double {
      (0...10).reduce(0) { sum, step in
        let least = Double(step) * 0.1
        var best = 0.0
        for place in recall.indices where recall[place] >= least && precision[place] > best {
          best = precision[place]
        }
        return sum + best / 11
      }
    }

    /// The area below the precision made non-increasing: VOC 2010 and later. NaN for a class without objects that was
    /// detected.
    package var area: Double {
      if objects == 0 { return recall.isEmpty ? 0 : .nan }
      var (best, sum) = (0.0, 0.0)
      for place in recall.indices.reversed() {
        if precision[place] > best { best = precision[place] }
        let before = place == 0 ? 0 : recall[place - 1]
        if recall[place] != before { sum += (recall[place] - before) * best }
      }
      return sum
    }
  }

  package let thresholds: [Double]
  /// [class][threshold].
  package let curves: [[Curve]]

  package init(
    objects: [Object], detections: [Detection], images: Int, classes: Int, thresholds: [Double],
    _ rules: Rules
  ) {
    self.thresholds = thresholds
    var byClass = Array(repeating: [Detection](), count: classes)
    for detection in detections {
      byClass[detection.classIndex].append(rules == .detectron2 ? Self.written(detection) : detection)
    }
    var objectsByClass = Array(repeating: [Object](), count: classes)
    for object in objects { objectsByClass[object.classIndex].append(object) }
    let (detected, present) = (byClass, objectsByClass)
    curves = (0..<classes).map { index in
      Self.curves(present[index], detected[index], images: images, thresholds, rules)
    }
  }

  /// A line of a results file, as detectron2 writes it.
  package static func line(_ detection: Detection, image: String) -> String {
    let box = (0..<4).map { fixed(detection.box[$0], 1) }
    return "\(image) \(fixed(detection.score, 3)) \(box.joined(separator: " "))"
  }

  /// As detectron2's evaluator writes a detection and reads it again.
  private static func written(_ detection: Detection) -> Detection {
    var written = detection
    written.score = Double(fixed(detection.score, 3)) ?? detection.score
    for place in 0..<4 { written.box[place] = Double(fixed(detection.box[place], 1)) ?? detection.box[place] }
    return written
  }

  private static func curves(
    _ objects: [Object], _ detections: [Detection], images: Int, _ thresholds: [Double], _ rules: Rules
  ) -> [Curve] {
    var byImage = Array(repeating: [Int](), count: images)
    for (place, object) in objects.enumerated() { byImage[object.image].append(place) }
    let order = detections.indices.sorted { detections[$0].score > detections[$1].score }
    // The object that each detection overlaps most, the first among equals.
    let nearest = order.map { place -> (object: Int, overlap: Double) in
      var best = (object: -1, overlap: 0.0)
      for object in byImage[detections[place].image] {
        let overlap = Self.overlap(detections[place].box, objects[object].box)
        if overlap > best.overlap { best = (object, overlap) }
      }
      return best
    }
    let count = objects.count { !$0.isDifficult }
    return thresholds.map { threshold in
      var isTaken = Array(repeating: false, count: objects.count)
      var (right, wrong) = (0.0, 0.0)
      var recall: [Double] = [], precision: [Double] = []
      for (object, overlap) in nearest {
        let isMatch = object >= 0 && (rules == .detectron2 ? overlap > threshold : overlap >= threshold)
        if !isMatch {
          wrong += 1
        } else if !objects[object].isDifficult {
          if isTaken[object] { wrong += 1 } else { right += 1 }
          isTaken[object] = true
        }
        recall.append(right / Double(count))
        precision.append(rules == .detectron2 ? right / max(right + wrong, 0x1p-52) : right / (wrong + right))
      }
      return Curve(objects: count, recall: recall, precision: precision, rules: rules)
    }
  }

  /// Intersection over union of boxes whose last pixels are inside.
  private static func overlap(_ a: SIMD4<Double>, _ b: SIMD4<Double>) -> Double {
    let width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    let height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    guard width > 0, height > 0 else { return 0 }
    func area(_ box: SIMD4<Double>) -> Double { (box[2] - box[0] + 1) * (box[3] - box[1] + 1) }
    let both = width * height
    return both / (area(a) + area(b) - both)
  }

  // MARK: - Means

  package enum Year: Sendable { case from2007, from2010 }

  package func averagePrecision(_ year: Year, class index: Int, threshold: Int) -> Double {
    let curve = curves[index][threshold]
    return year == .from2007 ? curve.elevenPoints : curve.area
  }

  /// Over the classes; NaN where one is.
  package func mean(_ year: Year, threshold: Int) -> Double {
    curves.indices.reduce(0) { $0 + averagePrecision(year, class: $1, threshold: threshold) }
      / Double(curves.count)
  }

  /// Over classes and thresholds.
  package func mean(_ year: Year) -> Double {
    thresholds.indices.reduce(0) { $0 + mean(year, threshold: $1) } / Double(thresholds.count)
  }
}
