import Distributed
import Evaluation
import Methods
import Models
import Torch

/// kNN accuracy during training, on two labelled sets.
struct KNNMonitor {
  private let comparison: KNNEvaluation

  /// Nil if the configuration names no sets.
  init?(_ config: RunConfig, context: RankContext, device: Device) throws {
    guard let train = config.knnTrain, let test = config.knnTest else { return nil }
    var input = config.evaluationInput
    input.retries = config.shardRetries(ranks: context.rank.count)
    comparison = try KNNEvaluation(
      train: EvaluationData(train, split: .train, input: input, limit: config.knnLimit),
      test: EvaluationData(test, split: .test, input: input, limit: config.knnLimit),
      context: context,
      device: device)
  }

  /// The sets' numbers of images and classes.
  var summary: String { comparison.summary }

  /// The images that are searched, and those that are classified.
  var sets: [EvaluationData] { [comparison.train, comparison.test] }

  /// The fingerprints of the bank's and the queries' images.
  var fingerprints: [UInt32] { [comparison.train, comparison.test].map(\.dataset.fingerprint) }

  var warning: String? { comparison.warning }

  /// Seconds of a measurement. Where it takes longer than the limit it is broken off, and the rest is estimated from the
  /// batches of that time and from a part of the search.
  /// - Parameter limit: Seconds, by the clock of each rank.
  func seconds(of encoder: ImageEncoder, limit: Double) throws -> Double {
    let started = ContinuousClock.now
    func passed() -> Double { (ContinuousClock.now - started) / .seconds(1) }
    var batches = 0
    let measured = try measure(encoder) {
      batches += 1
      return passed() > limit
    }
    guard measured == nil else { return passed() }
    return passed() / Double(max(1, batches)) * Double(comparison.batches)
      + (try comparison.secondsOfSearch(channels: encoder.architecture.featureSize))
  }

  /// Top-1 in percent; nil in every rank soon after `isStopped` in one of them.
  /// - Parameter isStopped: Whether a signal ends the run; read after every batch.
  func measure(_ encoder: ImageEncoder, isStopped: () -> Bool) throws -> Double? {
    do {
      return try comparison.accuracy(of: encoder, isStopped: isStopped).results[0].top1
    } catch is EvaluationStopped {
      return nil
    }
  }
}
