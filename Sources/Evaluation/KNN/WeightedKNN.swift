import Foundation
import Torch

/// Classification by the nearest neighbours in a bank, weighted by similarity: Wu et al. 2018
/// ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination"), section 3.4.
///
/// Similarity s is the cosine. Each of the k nearest votes for its class with weight exp(s/τ). The result is
/// exact and depends only on the similarities: of equally similar bank rows the lower one is nearer, of
/// classes with equal votes the lower one wins.
package struct WeightedKNN: Sendable {
  /// The number of neighbours that vote; all of them in a bank of fewer images.
  package var k: Int
  /// τ.
  package var temperature: Double
  /// The device of the similarities.
  package var device: Device

  package init(k: Int = 200, temperature: Double = 0.1, on device: Device = .cpu) {
    precondition(k >= 1, "k = \(k) must be at least 1")
    precondition(temperature > 0, "temperature = \(temperature) must be above 0")
    self.k = k
    self.temperature = temperature
    self.device = device
  }

  package struct Result: Equatable, Sendable {
    /// The share of queries whose class got the most votes, in per cent: 0...100.
    package let top1: Double
    /// The share of queries whose class is among the five with the most votes, in per cent: 0...100. A class
    /// without a vote is never among them.
    package let top5: Double
    /// The class with the most votes, one per query.
    package let predictions: [Int]

    package init(top1: Double, top5: Double, predictions: [Int]) {
      (self.top1, self.top5, self.predictions) = (top1, top5, predictions)
    }
  }

  /// The number of voters, and the weight of nearer ones.
  package struct KNNSettings: Hashable, Sendable {
    package var k: Int
    /// τ.
    package var temperature: Double

    package init(k: Int, temperature: Double) { (self.k, self.temperature) = (k, temperature) }

    /// Every k with every temperature.
    package static func all(k: [Int], temperature: [Double]) -> [KNNSettings] {
      k.flatMap { k in temperature.map { KNNSettings(k: k, temperature: $0) } }
    }
  }

  /// Classifies every query by its neighbours in the bank.
  /// - Parameters:
  ///   - bank: The voters.
  ///   - queries: The features to classify.
  ///   - classes: The labels of both are 0 ..< classes.
  ///   - leavingOneOut: Query i is bank row i, and does not vote for itself.
  /// - Throws: ``EvaluationError``, or `TorchError` if memory runs out.
  package func evaluate(
    bank: LabelledFeatures, queries: LabelledFeatures, classes: Int, leavingOneOut: Bool = false
  ) throws -> Result {
    try WeightedKNN.evaluate(
      [KNNSettings(k: k, temperature: temperature)], bank: bank, queries: queries, classes: classes,
      leavingOneOut: leavingOneOut, on: device)[0]
  }

  /// The same for several settings, one result each, from one search.
  package static func evaluate(
    _ votings: [KNNSettings], bank: LabelledFeatures, queries: LabelledFeatures, classes: Int,
    leavingOneOut: Bool = false, on device: Device = .cpu
  ) throws -> [Result] {
    for (name, labels) in [("bank", bank.labels), ("query", queries.labels)] {
      let wrong = labels.first { !(0..<classes).contains($0) }
      precondition(wrong == nil, "\(name) label \(wrong ?? 0) is outside 0 ..< \(classes)")
    }
    guard let most = votings.map(\.k).max() else { return [] }
    let search = WeightedKNN(k: most, on: device)
    let neighbours =
      leavingOneOut
      ? try search.others(of: queries.features, in: bank.features)
      : try search.neighbours(of: queries.features, in: bank.features)
    return votings.map { voting in
      // The order of neighbours is the same for all k, so the first k of the largest search are the k
      // nearest.
      WeightedKNN(k: voting.k, temperature: voting.temperature, on: device)
        .result(of: neighbours, bank.labels, queries.labels, classes: classes)
    }
  }

  private func result(
    of neighbours: Neighbours, _ bankLabels: [Int], _ queryLabels: [Int], classes: Int
  ) -> Result {
    let blocks = WeightedKNN.inBlocks(of: queryLabels.count) { block in
      var votes = Votes(classes: classes, temperature: temperature)
      return block.map { query in
        votes.firstFive(
          neighbours.indices[query].prefix(k).map { bankLabels[$0] }, neighbours.similarities[query])
      }
    }
    let ranked = Array(blocks.joined())
    let predictions = ranked.map { $0[0] }
    let hits1 = zip(predictions, queryLabels).count { $0 == $1 }
    let hits5 = zip(ranked, queryLabels).count { $0.contains($1) }
    func percent(_ hits: Int) -> Double { 100 * Double(hits) / Double(queryLabels.count) }
    return Result(top1: percent(hits1), top5: percent(hits5), predictions: predictions)
  }
}

/// One query's votes; the memory serves the next one. Computed here and not on the device, where the order of
/// sums is not fixed.
private struct Votes {
  private let temperature: Double
  /// By class; negative without a vote, as votes may be 0.
  private var ofClass: [Double]
  private var voted: [Int] = []

  init(classes: Int, temperature: Double) {
    self.temperature = temperature
    ofClass = Array(repeating: -1, count: classes)
  }

  /// The classes with votes, most votes first; at most five.
  /// - Parameters:
  ///   - labels: The neighbours' classes, nearest first; at least one.
  ///   - similarities: Theirs, and perhaps those of more neighbours.
  mutating func firstFive(_ labels: [Int], _ similarities: [Float]) -> [Int] {
    let nearest = Double(similarities[0])
    for (label, similarity) in zip(labels, similarities) {
      if ofClass[label] < 0 {
        ofClass[label] = 0
        voted.append(label)
      }
      // Relative to the nearest, so that no temperature causes an overflow.
      ofClass[label] += exp((Double(similarity) - nearest) / temperature)
    }
    let ranked = voted.sorted { ofClass[$0] == ofClass[$1] ? $0 < $1 : ofClass[$0] > ofClass[$1] }
    for label in voted { ofClass[label] = -1 }
    voted.removeAll(keepingCapacity: true)
    return Array(ranked.prefix(5))
  }
}
