import Data
import Distributed
import Evaluation
import Files
import Foundation
import Models
import Torch
import Weights

/// A test of a trained detector, without training.
package struct DetectorEvaluation {
  private let config: DetectConfig
  private let learner: DetectorLearner
  private let test: DetectionDataset
  private let context: RankContext
  private let console: Console
  private let step: Int
  private let out: String

  /// - Parameters:
  ///   - path: A detector's run or checkpoint.
  ///   - test: The test set's name.
  ///   - out: The folder of `results.json`, which is made if need be.
  ///   - change: What the options say about the run's configuration.
  package init(
    _ path: String, test: String, out: String, context: RankContext = .alone, console: Console,
    change: (DetectConfig) throws -> DetectConfig = { $0 }
  ) throws {
    let checkpoint = try Checkpoint.load(path, optimizer: false)
    checkpoint.warnings.forEach(console.warn)
    let metadata = try DetectorMetadata(checkpoint)
    let own = try DetectConfig(checkpoint)
    let config = try change(own)
    let network = own.changes(to: config).first {
      ["detector", "arch", "masks", "keypoints", "norm"].contains($0.key)
    }
    if let network {
      throw UsageError(
        "--\(network.key) \(network.new): the detector in \(path) has \(network.old). Leave it out.")
    }
    try config.validate()
    var spec = metadata.spec
    spec.rpn = config.spec(classes: spec.classes, keypoints: spec.keypoints).rpn
    (spec.test.scoreThreshold, spec.test.detectionsPerImage) = (config.scoreThreshold, config.detections)
    self.test = try DetectionDataset.open(test, config.testOptions(classes: metadata.classes))
    learner = try DetectorLearner(
      spec, config, device: config.device.resolve(localNumber: context.localNumber), context: context)
    try learner.restore(checkpoint, optimizer: false)
    step = checkpoint.state?.step ?? 0
    (self.config, self.context, self.console, self.out) = (config, context, console, out)
    if let state = checkpoint.state, config.preciseBN > 0, !state.hasPreciseStatistics {
      console.warn(
        "\(checkpoint.path): batch normalisation has its running statistics; those of whole batches are taken at a test "
          + "of the training.")
    }
  }

  /// Tests, and writes `results.json`.
  package func run() throws -> RunEvent.Detection? {
    if context.isFirst {
      do {
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
      } catch {
        throw RunError("--out \(out): the folder cannot be made.")
      }
    }
    console.say("test      \(test.summary)")
    for line in test.leftOut.lines() { console.say("  \(line)") }
    let progress = console.counting(of: test.count, unit: "images tested")
    let outcome = try DetectorTester(config, test, context: context).run(
      learner.model, step: step, progress: { done, _ in progress(done) },
      results: context.isFirst ? out.withoutSlash + "/results.json" : nil)
    outcome.warnings.forEach(console.warn)
    if let first = outcome.badFiles.first {
      console.warn(
        "images left out because they cannot be read: \(outcome.badFiles.count), the first: \(first)")
    }
    return outcome.event
  }
}
