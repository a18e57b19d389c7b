import Backbones
import Evaluation
import Torch
import Views

/// How well the classes of test images follow from their nearest training images.
///
/// Where both sets are the very same images, each image's own copy is left out.
public struct NeighbourComparison {
  public let train: EvaluationSet
  public let test: EvaluationSet
  /// Both sets are the very same images.
  public let isSame: Bool
  private let search: WeightedKNN
  private let device: Device

  public init(
    train: EvaluationSet, test: EvaluationSet, k: Int = 200, temperature: Double = 0.1, device: Device
  ) throws {
    try EvaluationSet.checkLabels(train, test)
    self.train = train
    self.test = test
    isSame = train.isSame(as: test)
    search = WeightedKNN(k: k, temperature: temperature, on: device)
    self.device = device
  }

  public var summary: String {
    let sets = "\(test.dataset.count) test images among \(train.dataset.count)"
    return isSame ? sets + " (the same images: each one's own copy is left out)" : sets
  }

  /// An encoder's result, and the features it comes from.
  public func accuracy(
    of encoder: ResNet
  ) throws -> (result: WeightedKNN.Result, bank: EncodedSet, queries: EncodedSet) {
    let bank = try train.features(of: encoder, on: device)
    let queries = isSame ? bank : try test.features(of: encoder, on: device)
    return (try evaluate(bank, queries), bank, queries)
  }

  /// The result of comparing the pixels themselves.
  public func accuracyOfPixels() throws -> WeightedKNN.Result {
    let bank = try train.pixels(on: device)
    return try evaluate(bank, isSame ? bank : test.pixels(on: device))
  }

  private func evaluate(_ bank: EncodedSet, _ queries: EncodedSet) throws -> WeightedKNN.Result {
    guard !isSame || bank.labels.count > 1 else {
      throw RunError("one image has no neighbours among itself: give more images, or other ones to --test.")
    }
    return try search.evaluate(
      bank: bank.labelled, queries: queries.labelled, classes: train.dataset.classNames.count,
      leavingOneOut: isSame)
  }

  /// Writes the picture of test images and their neighbours; see `NeighbourSheet`.
  public func writeSheet(to path: String, bank: EncodedSet, queries: EncodedSet) throws {
    try NeighbourSheet(comparison: self).write(to: path, bank: bank, queries: queries, on: device)
  }
}
