import Data

/// Cityscapes' average precision of instances, as cityscapesScripts 2.3.0 counts it.
package struct CityscapesInstanceEvaluation: Sendable {
  /// Pixels from which on an object counts.
  package var leastPixels = 100
  /// As numpy's arange(0.5, 1, 0.05) computes them.
  package static let thresholds = (0..<10).map { Double($0) * (0.55 - 0.5) + 0.5 }

  package struct Prediction: Sendable {
    /// A label id, not a train id.
    package var label: Int
    package var score: Double
    /// Row by row; 0 is outside.
    package var mask: [UInt8]

    package init(label: Int, score: Double, mask: [UInt8]) {
      (self.label, self.score, self.mask) = (label, score, mask)
    }
  }

  /// An object or group of the truth.
  fileprivate struct Region {
    var id: Int32
    var pixels: Int
    /// Predictions of its label that it meets.
    var met: [(prediction: Int, pixels: Int)] = []

    var isGroup: Bool { id < 1000 }
  }

  fileprivate struct Found {
    var score: Double
    var pixels: Int
    var voidPixels: Int
    var met: [(region: Int, pixels: Int)] = []
  }

  fileprivate struct Image {
    var regions: [Region]
    var found: [Found]
  }

  /// [class][image].
  private var images = Array(repeating: [Image](), count: CityscapesLabel.instances.count)

  package init() {}

  // MARK: - Adding

  /// Adds an image of instance ids (label · 1000 + number, or the label of a group), row by row.
  /// - Throws: ``EvaluationError`` for a mask of another size.
  package mutating func add(instances: [Int32], predictions: [Prediction], name: String) throws {
    var sizes: [Int32: Int] = [:]
    for instance in instances { sizes[instance, default: 0] += 1 }
    let ids = sizes.keys.sorted()
    let counts = try predictions.map { prediction -> [Int32: Int] in
      guard prediction.mask.count == instances.count else {
        throw EvaluationError.pixels(truth: instances.count, prediction: prediction.mask.count, name: name)
      }
      var counts: [Int32: Int] = [:]
      for pixel in instances.indices where prediction.mask[pixel] != 0 {
        counts[instances[pixel], default: 0] += 1
      }
      return counts
    }
    for (place, label) in CityscapesLabel.instances.enumerated() {
      var image = Image(regions: [], found: [])
      for id in ids where (id < 1000 ? Int(id) : Int(id) / 1000) == label.id {
        image.regions.append(Region(id: id, pixels: sizes[id] ?? 0))
      }
      for (prediction, counts) in zip(predictions, counts)
      where prediction.label == label.id && !counts.isEmpty {
        image.add(counts, score: prediction.score)
      }
      images[place].append(image)
    }
  }

  // MARK: - Curves

  /// Nil for a class without objects.
  package func averagePrecision(class index: Int, threshold: Double) -> Double? {
    var points: [(score: Double, isRight: Bool)] = []
    var (missed, objects, found) = (0, 0, 0)
    for image in images[index] {
      found += image.found.count
      for region in image.regions where !region.isGroup && region.pixels >= leastPixels {
        objects += 1
        let scores = region.met.filter { image.overlap(region, $0.prediction, $0.pixels) > threshold }
          .map { image.found[$0.prediction].score }
        guard let best = scores.max() else {
          missed += 1
          continue
        }
        points.append((best, true))
        // Each other prediction over the object is wrong.
        points += scores.sorted().dropLast().map { ($0, false) }
      }
      for (place, one) in image.found.enumerated() {
        let isOverObject = one.met.contains {
          image.overlap(image.regions[$0.region], place, $0.pixels) > threshold
        }
        if !isOverObject, Double(left(one, image)) / Double(one.pixels) <= threshold {
          points.append((one.score, false))
        }
      }
    }
    guard objects > 0 else { return nil }
    return found == 0 || points.isEmpty ? 0 : Self.area(points, missed: missed)
  }

  /// Pixels that count neither way. Of a small group they count twice, as in the published evaluator.
  private func left(_ one: Found, _ image: Image) -> Int {
    one.met.reduce(one.voidPixels) { sum, met in
      let region = image.regions[met.region]
      return sum + (region.isGroup ? met.pixels : 0) + (region.pixels < leastPixels ? met.pixels : 0)
    }
  }

  /// By trapezoids over one point for each distinct score, and (recall 0, precision 1).
  private static func area(_ points: [(score: Double, isRight: Bool)], missed: Int) -> Double {
    let sorted = points.sorted { $0.score < $1.score }
    let allRight = sorted.count(where: \.isRight)
    var precision: [Double] = [], recall: [Double] = []
    var rightBefore = 0
    for (place, point) in sorted.enumerated() {
      if place == 0 || point.score != sorted[place - 1].score {
        let right = allRight - rightBefore
        precision.append(Double(right) / Double(sorted.count - place))
        recall.append(Double(right) / Double(allRight + missed))
      }
      if point.isRight { rightBefore += 1 }
    }
    precision.append(1)
    recall.append(0)
    let ends = [recall[0]] + recall + [0]
    return precision.indices.reduce(0) { $0 + precision[$1] * 0.5 * (ends[$1] - ends[$1 + 2]) }
  }

  // MARK: - Means

  /// Over the classes with objects and the thresholds.
  package func mean(_ thresholds: [Double] = thresholds) -> Double? {
    let values = CityscapesLabel.instances.indices.flatMap { index in
      thresholds.compactMap { averagePrecision(class: index, threshold: $0) }
    }
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  package func mean(class index: Int) -> Double? {
    let values = Self.thresholds.compactMap { averagePrecision(class: index, threshold: $0) }
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}

extension CityscapesInstanceEvaluation.Image {
  /// - Parameter counts: Pixels of a prediction by instance id.
  fileprivate mutating func add(_ counts: [Int32: Int], score: Double) {
    // The published evaluator looks labels without evaluation up by their raw value, so that only groups are met.
    let void = counts.reduce(0) { sum, count in
      let isVoid =
        CityscapesLabel.all.indices.contains(Int(count.key))
        && !CityscapesLabel.all[Int(count.key)].isEvaluated
      return sum + (isVoid ? count.value : 0)
    }
    var one = CityscapesInstanceEvaluation.Found(
      score: score, pixels: counts.values.reduce(0, +), voidPixels: void)
    for region in regions.indices {
      guard let pixels = counts[regions[region].id] else { continue }
      one.met.append((region, pixels))
      regions[region].met.append((found.count, pixels))
    }
    found.append(one)
  }

  fileprivate func overlap(
    _ region: CityscapesInstanceEvaluation.Region, _ prediction: Int, _ pixels: Int
  ) -> Double {
    Double(pixels) / Double(region.pixels + found[prediction].pixels - pixels)
  }
}
