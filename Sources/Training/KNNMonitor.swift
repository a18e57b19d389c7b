import Backbones
import Evaluation
import Torch
import Views

/// kNN accuracy during training, on two labelled sets.
final class KNNMonitor {
  private let comparison: NeighbourComparison
  private var best = 0.0
  private var contrast = 0.0

  /// Nothing if the configuration names no sets.
  init?(_ config: RunConfig, team: Team, device: Device) throws {
    guard let train = config.knnTrain, let test = config.knnTest else { return nil }
    comparison = try NeighbourComparison(
      train: EvaluationSet(train, split: .train, config: config, limit: config.knnLimit),
      test: EvaluationSet(test, split: .test, config: config, limit: config.knnLimit), team: team,
      device: device)
  }

  /// Contrast accuracy of the latest step, 0 … 1.
  func noteContrast(_ top1: Double) { contrast = top1 }

  /// Top-1 in percent, and a warning where the contrast is won while the features get worse: the sign of
  /// batch statistics that give the positive key away.
  func measure(_ encoder: any Backbone) throws -> (top1: Double, leak: String?) {
    let top1 = try comparison.accuracy(of: encoder).results[0].top1
    defer { best = max(best, top1) }
    guard contrast > 0.99, top1 < best - 2 else { return (top1, nil) }
    return (
      top1,
      "The positive key is found in \(fixed(contrast * 100, 1)) % of the cases while kNN fell from "
        + "\(fixed(best, 1)) to \(fixed(top1, 1)) %: batch normalisation may give it away. Try more --bn-splits."
    )
  }
}
