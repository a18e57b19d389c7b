import Data

/// Cityscapes' pixel-level measures, as cityscapesScripts 2.3.0 counts them: IoU of labels and categories, and iIoU,
/// in which every instance counts by the average size of its class.
package struct CityscapesSemanticEvaluation: Sendable {
  private var confusion = ConfusionMatrix(classes: CityscapesLabel.all.count)
  private let averageSizes: [Double?]
  /// Weighted pixels of instances, by label.
  private var right = Array(repeating: 0.0, count: CityscapesLabel.all.count)
  private var missed = Array(repeating: 0.0, count: CityscapesLabel.all.count)
  /// The same by category, where a pixel of any label of the category is right.
  private var categoryRight = Array(repeating: 0.0, count: CityscapesLabel.categories.count)
  private var categoryMissed = Array(repeating: 0.0, count: CityscapesLabel.categories.count)

  /// Pixels of an average instance at 2048×1024, the evaluator's constants.
  package static let averageSizes: [String: Double] = [
    "bicycle": 4672.3249222261, "caravan": 36771.8241758242, "motorcycle": 6298.7200839748,
    "rider": 3930.4788056518, "bus": 35732.1511111111, "train": 67583.7075812274, "car": 12794.0202738185,
    "person": 3462.4756337644, "truck": 27855.1264367816, "trailer": 16926.9763313609,
  ]

  package init(averageSizes: [String: Double] = averageSizes) {
    self.averageSizes = CityscapesLabel.all.map { averageSizes[$0.name] }
  }

  package func pixels(truth: Int, prediction: Int) -> Int { confusion[truth, prediction] }

  /// Adds an image of label ids, with instance ids (label · 1000 + number, or the label of a group).
  /// - Throws: ``EvaluationError`` for an unknown label, or images of different sizes.
  package mutating func add(labels: [UInt8], instances: [Int32], prediction: [UInt8], name: String) throws {
    add(try ImageCounts(labels: labels, instances: instances, prediction: prediction, name: name))
  }

  /// Adds an image's pixels. Weights are rounded in the order of the images.
  package mutating func add(_ image: ImageCounts) {
    confusion.add(image.confusion)
    for instance in image.instances { add(instance.label, instance.counts) }
  }

  /// The pixels of an image, which need no other image's.
  package struct ImageCounts: Sendable {
    fileprivate typealias Counts = (size: Int, right: Int, ofCategory: Int)

    fileprivate var confusion = ConfusionMatrix(classes: CityscapesLabel.all.count)
    /// By rising instance ids.
    fileprivate var instances: [(label: Int, counts: Counts)] = []

    /// - Throws: ``EvaluationError``.
    package init(
      labels: [UInt8], instances: [some FixedWidthInteger], prediction: [UInt8], name: String
    ) throws {
      guard instances.count == labels.count else {
        throw EvaluationError.pixels(truth: labels.count, prediction: instances.count, name: name)
      }
      try confusion.add(truth: labels, prediction: prediction, void: nil, name: name)
      let labelCount = CityscapesLabel.all.count
      let categories = CityscapesLabel.all.map(\.category)
      let isOfCategory = (0..<labelCount * labelCount).map {
        categories[$0 / labelCount] == categories[$0 % labelCount]
      }
      var sizes = [Int](repeating: 0, count: 1000 * labelCount)
      var (right, ofCategory) = (sizes, sizes)
      try forEachRun(instances, prediction) { instance, predicted, pixels in
        let label = instance / 1000
        guard label < labelCount else {
          throw EvaluationError.strangeClass(label, classes: labelCount, name: "an instance of \(name)")
        }
        sizes[instance] += pixels
        if predicted == label { right[instance] += pixels }
        if isOfCategory[label * labelCount + predicted] { ofCategory[instance] += pixels }
      }
      for instance in sizes.indices where sizes[instance] > 0 {
        self.instances.append((instance / 1000, (sizes[instance], right[instance], ofCategory[instance])))
      }
    }
  }

  private mutating func add(_ label: Int, _ counts: (size: Int, right: Int, ofCategory: Int)) {
    guard CityscapesLabel.all[label].isEvaluated, CityscapesLabel.all[label].hasInstances,
      let average = averageSizes[label]
    else { return }
    let weight = average / Double(counts.size)
    right[label] += Double(counts.right) * weight
    missed[label] += Double(counts.size - counts.right) * weight
    guard let category = CityscapesLabel.categories.firstIndex(of: CityscapesLabel.all[label].category) else {
      return
    }
    categoryRight[category] += Double(counts.ofCategory) * weight
    categoryMissed[category] += Double(counts.size - counts.ofCategory) * weight
  }

  // MARK: - Labels

  private func sum(_ truths: [Int], _ predictions: [Int]) -> Double {
    Double(truths.reduce(0) { sum, truth in sum + predictions.reduce(0) { $0 + confusion[truth, $1] } })
  }

  private static let everyLabel = Array(CityscapesLabel.all.indices)
  private static let evaluated = CityscapesLabel.all.filter(\.isEvaluated).map(\.id)

  private static func share(_ right: Double, _ others: Double) -> Double? {
    right + others == 0 ? nil : right / (right + others)
  }

  /// Nil for labels that are not evaluated, or occur in neither.
  package func labelIoU(_ label: Int) -> Double? {
    guard CityscapesLabel.all[label].isEvaluated else { return nil }
    let right = sum([label], [label])
    return Self.share(right, sum([label], Self.everyLabel) - right + wrong(label))
  }

  private func wrong(_ label: Int) -> Double { sum(Self.evaluated.filter { $0 != label }, [label]) }

  package func labelInstanceIoU(_ label: Int) -> Double? {
    guard CityscapesLabel.all[label].isEvaluated, CityscapesLabel.all[label].hasInstances else { return nil }
    return Self.share(right[label], missed[label] + wrong(label))
  }

  // MARK: - Categories

  package func categoryIoU(_ category: Int) -> Double? {
    let name = CityscapesLabel.categories[category]
    let own = Self.evaluated.filter { CityscapesLabel.all[$0].category == name }
    guard !own.isEmpty else { return nil }
    let right = sum(own, own)
    return Self.share(right, sum(own, Self.everyLabel) - right + wrong(name, own))
  }

  private func wrong(_ category: String, _ own: [Int]) -> Double {
    sum(Self.evaluated.filter { CityscapesLabel.all[$0].category != category }, own)
  }

  /// Of humans and vehicles, the categories whose labels all have instances.
  package func categoryInstanceIoU(_ category: Int) -> Double? {
    let name = CityscapesLabel.categories[category]
    let labels = CityscapesLabel.all.filter { $0.category == name }
    guard labels.allSatisfy(\.hasInstances) else { return nil }
    return Self.share(categoryRight[category], categoryMissed[category] + wrong(name, labels.map(\.id)))
  }

  // MARK: - Means

  private func mean(_ values: [Double?]) -> Double? {
    let there = values.compactMap { $0 }
    return there.isEmpty ? nil : there.reduce(0, +) / Double(there.count)
  }

  package var meanIoU: Double? { mean(CityscapesLabel.all.indices.map(labelIoU)) }
  package var meanInstanceIoU: Double? { mean(CityscapesLabel.all.indices.map(labelInstanceIoU)) }
  package var meanCategoryIoU: Double? { mean(CityscapesLabel.categories.indices.map(categoryIoU)) }
  package var meanCategoryInstanceIoU: Double? {
    mean(CityscapesLabel.categories.indices.map(categoryInstanceIoU))
  }
}

/// Calls `body` for each run of pixels with one number above 1000 and one prediction.
private func forEachRun<Number: FixedWidthInteger>(
  _ instances: [Number], _ prediction: [UInt8],
  _ body: (_ instance: Int, _ predicted: Int, _ pixels: Int) throws -> Void
) rethrows {
  try instances.withUnsafeBufferPointer { instances in
    try prediction.withUnsafeBufferPointer { prediction in
      var pixel = 0
      while pixel < instances.count {
        let (instance, predicted, start) = (instances[pixel], prediction[pixel], pixel)
        pixel += 1
        if instance <= 1000 { continue }
        while pixel < instances.count, instances[pixel] == instance, prediction[pixel] == predicted {
          pixel += 1
        }
        try body(Int(instance), Int(predicted), pixel - start)
      }
    }
  }
}
