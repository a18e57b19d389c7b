import Data
import Distributed
import Evaluation
import Files
import Models
import Torch
import Weights

/// A test of a trained network, without training. Its results go into an ``EvaluationFolder``, never among those of a run.
package struct TransferEvaluation<Task: TransferTask> {
  private let config: Task.Config
  private let learner: TransferLearner<Task>
  private let test: Task.Dataset
  private let context: RankContext
  private let console: Console
  private let step: Int
  /// Of the results.
  package let folder: String
  private let lock: EvaluationFolder?  // nil except in rank 0

  /// - Parameters:
  ///   - path: A run of the task, or its checkpoint.
  ///   - test: The test set's name.
  ///   - out: The folder of the results, which is made if need be; of a run's folder its `eval/`.
  ///   - change: What the options say about the run's configuration.
  package init(
    _ path: String, test: String, out: String, context: RankContext = .alone, console: Console,
    change: (Task.Config) throws -> Task.Config = { $0 }
  ) throws {
    let checkpoint = try Task.Config.naming { try Checkpoint.load(path, optimizer: false) }
    checkpoint.warnings.forEach(console.warn)
    let metadata = try TransferMetadata<Task>(checkpoint)
    let own = try Task.Config(checkpoint)
    let config = try change(own)
    let network = own.changes(to: config).first { Task.Config.keysOfNetwork.contains($0.key) }
    if let network {
      throw UsageError(
        "--\(network.key) \(network.new): the \(Task.Config.Spec.noun) in \(path) has \(network.old). Leave it out."
      )
    }
    try config.validate()
    self.test = try Task.testSet(test, config, classes: metadata.classes, like: nil)
    learner = try TransferLearner(
      Task.testSpec(metadata.spec, config), config,
      device: config.device.resolve(localNumber: context.localNumber), context: context)
    try learner.restore(checkpoint, optimizer: false)
    step = checkpoint.state?.step ?? 0
    (self.config, self.context, self.console) = (config, context, console)
    folder = EvaluationFolder.path(out, network: path)
    lock = try context.isFirst ? EvaluationFolder(folder) : nil
    if let state = checkpoint.state, config.preciseBN > 0, !state.hasPreciseStatistics {
      console.warn(
        "\(checkpoint.path): batch normalisation has its running statistics; those of whole batches are taken at a test "
          + "of the training.")
    }
  }

  /// Tests, and writes the results.
  /// - Returns: Nil except in rank 0.
  package func run() throws -> Task.Test? {
    console.say("test      \(test.summary)")
    for line in test.faults { console.say("  \(line)") }
    let outcome = try learner.test(
      test, config, context: context, step: step,
      progress: console.counting(of: test.count, unit: "images tested"),
      out: lock?.path)
    outcome.warnings.forEach(console.warn)
    if let first = outcome.badFiles.first {
      console.warn(
        "images left out because they cannot be read: \(outcome.badFiles.count), the first: \(first)")
    }
    return outcome.test
  }
}
