import Distributed
import Files
import Images
import Models
import Torch

/// How well the classes of test images follow from their nearest training images.
///
/// Where both sets are the very same images, each image's own copy is left out.
package struct KNNEvaluation {
  package let train: EvaluationData
  package let test: EvaluationData
  /// Both sets are the very same images.
  package let isSame: Bool
  /// Of each result, in order.
  package let votings: [WeightedKNN.KNNSettings]
  private let layer: FeatureLayer
  private let context: RankContext
  private let device: Device

  /// - Parameters:
  ///   - train: what is searched.
  ///   - test: what is classified.
  ///   - votings: each gives a result of its own, from one search.
  ///   - layer: the features that are compared.
  ///   - context: the ranks that share the work.
  ///   - device: where the encoder is and the search runs.
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
    let sets = "\(test.dataset.count) test images among \(train.dataset.count)"
    return isSame ? sets + " (the same images: each one's own copy is left out)" : sets
  }

  /// Images among which each one's neighbours are.
  package var searched: Int { train.dataset.count - (isSame ? 1 : 0) }

  /// What the numbers hide; nothing where enough images are searched.
  package var warning: String? {
    let k = votings.map(\.k).max() ?? 0
    return k < searched
      ? nil
      : "kNN: all of the \(searched) training images are among the \(k) neighbours that vote. Give more images, or fewer "
        + "neighbours to `moco knn --k`."
  }

  /// An encoder's results, one a voting, and the features they come from.
  ///
  /// Of several ranks each encodes its share of both sets, and searches all of the first for its share of the second.
  package func accuracy(
    of encoder: ImageEncoder
  ) throws -> (results: [WeightedKNN.Result], bank: ImageFeatures, queries: ImageFeatures) {
    try compare { try $0.features(of: encoder, layer: layer, on: device) }
  }

  /// The results of comparing the pixels themselves.
  package func accuracyOfPixels() throws -> [WeightedKNN.Result] {
    try compare { try $0.pixels(on: device) }.results
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
  package func writeSheet(to path: String, bank: ImageFeatures, queries: ImageFeatures) throws {
    try NeighbourSheet(comparison: self).write(to: path, bank: bank, queries: queries, on: device)
  }
}
