import Distributed
import Files
import Images
import Models
import Torch

/// The accuracy of classifying test images by their nearest training images.
///
/// If both sets contain the same images, each image's own copy is left out.
package struct KNNEvaluation {
  package let train: EvaluationData
  package let test: EvaluationData
  /// Whether both sets contain the same images.
  package let isSame: Bool
  /// The settings of each result, in order.
  package let votings: [WeightedKNN.KNNSettings]
  private let layer: FeatureLayer
  private let context: RankContext
  private let device: Device

  /// - Parameters:
  ///   - train: The images to search.
  ///   - test: The images to classify.
  ///   - votings: Each gives its own result, from one search.
  ///   - layer: The features to compare.
  ///   - context: The ranks that share the work.
  ///   - device: The device of the encoder and of the search.
  package init(
    train: EvaluationData, test: EvaluationData,
    votings: [WeightedKNN.KNNSettings] = [.init(k: 200, temperature: 0.1)], layer: FeatureLayer = .pooled,
    context: RankContext = .alone, device: Device
  ) throws {
    try EvaluationData.checkLabels(train, test, for: "kNN")
    self.train = train
    self.test = test
    isSame = train.isSame(as: test)
    self.votings = votings
    self.layer = layer
    self.context = context
    self.device = device
  }

  package var summary: String {
    let (tested, searched) = (test.dataset.classCount, train.dataset.classCount)
    let sets =
      "\(test.dataset.count) test images of \(tested) class\(tested == 1 ? "" : "es") among \(train.dataset.count) of "
      + "\(searched)"
    return isSame ? sets + " (the same images: each one's own copy is left out)" : sets
  }

  /// The number of images that are searched for each query.
  package var searched: Int { train.dataset.count - (isSame ? 1 : 0) }

  /// A warning about a small test; nil if enough images are searched.
  package var warning: String? {
    let k = votings.map(\.k).max() ?? 0
    return k < searched
      ? nil
      : "kNN: all of the \(searched) training images are among the \(k) neighbours that vote. Give more images, or fewer "
        + "neighbours to `moco knn --k`."
  }

  /// An encoder's results, one per voting, and their features.
  ///
  /// With several ranks, each encodes its share of both sets, and searches all of the first set for its share
  /// of the second.
  /// - Parameter isStopped: Asked after every batch of images.
  /// - Throws: ``EvaluationStopped`` in all ranks when `isStopped` in one of them.
  package func accuracy(
    of encoder: ImageEncoder, isStopped: () -> Bool = { false }
  ) throws -> (results: [WeightedKNN.Result], bank: ImageFeatures, queries: ImageFeatures) {
    try compare {
      try $0.features(of: encoder, layer: layer, on: device) { _, _ in
        if isStopped() { throw EvaluationStopped() }
      }
    }
  }

  /// The results for the pixels themselves as features.
  package func accuracyOfPixels() throws -> [WeightedKNN.Result] {
    try compare { try $0.pixels(on: device) }.results
  }

  /// The batches of images that this rank encodes for a result.
  package var batches: Int {
    (isSame ? [train] : [train, test]).reduce(0) { sum, set in
      let images = context.share(of: set.dataset.count).count
      return sum + (images + EvaluationData.batchSize - 1) / EvaluationData.batchSize
    }
  }

  /// The seconds of this rank's search among all images, estimated from a part of it with random features.
  /// - Parameter channels: Of the features.
  package func secondsOfSearch(channels: Int) throws -> Double {
    let generator = Generator(seed: 0)
    let classes = train.dataset.classNames.count
    func random(_ count: Int) throws -> LabelledFeatures {
      try LabelledFeatures(
        features: withTorchErrors { .normal([count, channels], using: generator).to(device) },
        labels: (0..<count).map { $0 % classes })
    }
    let (rows, queries) = (train.dataset.count, context.share(of: test.dataset.count).count)
    let (someRows, someQueries) = (min(rows, 50_000), min(max(1, queries), 512))
    let (bank, wanted) = (try random(someRows), try random(someQueries))
    let started = ContinuousClock.now
    _ = try WeightedKNN.evaluate(votings, bank: bank, queries: wanted, classes: classes, on: device)
    let seconds = (ContinuousClock.now - started) / .seconds(1)
    return seconds * Double(rows) / Double(someRows) * Double(queries) / Double(someQueries)
  }

  private func compare(
    _ encode: (EvaluationData) throws -> ImageFeatures
  ) throws -> (results: [WeightedKNN.Result], bank: ImageFeatures, queries: ImageFeatures) {
    let bank = try train.shared(over: context, encode)
    let queries = isSame ? bank : try test.shared(over: context, encode)
    let count = queries.labels.count
    guard !isSame, count >= context.rank.count else { return (try evaluate(bank, queries), bank, queries) }
    let own = context.share(of: count)
    return (try context.mean(evaluate(bank, queries.rows(own)), of: own.count), bank, queries)
  }

  private func evaluate(_ bank: ImageFeatures, _ queries: ImageFeatures) throws -> [WeightedKNN.Result] {
    guard !isSame || bank.labels.count > 1 else {
      throw RunError("one image has no neighbours among itself: give more images, or other ones to --test.")
    }
    return try WeightedKNN.evaluate(
      votings, bank: bank.labelled, queries: queries.labelled, classes: train.dataset.classNames.count,
      leavingOneOut: isSame, on: device)
  }

  /// Writes the picture of test images and their neighbours; see `NeighbourSheet`.
  package func writeSheet(
    to path: String, bank: ImageFeatures, queries: ImageFeatures, of encoder: ImageEncoder
  ) throws -> String {
    try NeighbourSheet(comparison: self).write(
      to: path, bank: bank, queries: queries, of: encoder, on: device)
  }
}
