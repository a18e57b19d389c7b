import Files
import Foundation

/// What `moco linear --json` prints. Shares are in per cent.
package struct LinearReport: Codable, Sendable {
  package struct Trial: Codable, Sendable {
    /// At a batch of 256.
    package var lr: Double
    /// At the batch there was.
    package var scaledLr: Double
    /// The epoch, from 1, in which it did.
    package var divergedIn: Int?
    package var best: ClassifierRun.Epoch?
    package var last: ClassifierRun.Epoch?
    package var epochs: [ClassifierRun.Epoch]
  }

  package var recipe: String
  package var epochs: Int
  package var batchSize: Int
  package var weightDecay: Double
  package var seed: UInt64
  package var trainImages: Int
  package var testImages: Int
  package var unreadable: Int
  /// The encoder is, bit for bit, what it was; this many tensors were compared.
  package var unchangedTensors: Int
  package var trials: [Trial]
  /// Of the best epoch of the best learning rate; nothing where all diverged.
  package var top1: Double?
  package var top5: Double?
  package var classNames: [String]
  package var classes: [ClassificationScore.ClassRow]
  /// Images by class (row) and by the class they were taken for.
  package var confusion: [[Int]]

  package init(
    _ outcome: LinearEvaluation.Outcome, _ settings: LinearProtocol, recipe: String, classes: [String]
  ) {
    self.recipe = recipe
    (epochs, batchSize) = (settings.epochs, settings.batchSize)
    (weightDecay, seed) = (settings.weightDecay, settings.seed)
    (trainImages, testImages) = (outcome.trainImages, outcome.testImages)
    unreadable = outcome.unreadable.count
    unchangedTensors = outcome.unchangedTensors
    trials = outcome.trials.map {
      Trial(
        lr: $0.learningRate, scaledLr: settings.scaled($0.learningRate), divergedIn: $0.divergedIn,
        best: $0.best, last: $0.last, epochs: $0.epochs)
    }
    let best = outcome.best
    (top1, top5) = (best?.best?.top1, best?.best?.top5)
    classNames = classes
    self.classes = best?.bestScore?.byClass ?? []
    confusion = best?.bestScore?.confusion ?? []
  }
}

extension LinearEvaluation.Outcome {
  /// The trial with the highest top-1 of all; nil where all diverged before their first test.
  package var best: LinearProtocol.Trial? {
    trials.filter { $0.best != nil }.max { ($0.best?.top1 ?? -1) < ($1.best?.top1 ?? -1) }
  }

  /// What to tell where there is no ``best``.
  package var allDiverged: RunError {
    RunError(
      "the classifier diverged: its loss or weights became infinite in the first epoch. Try a lower --lr, or "
        + "several with --lr-sweep.")
  }
}

extension ClassificationScore {
  /// Writes the confusion matrix as CSV: a line a class, a column for each class it was taken for.
  package func writeConfusion(to path: String, classes: [String]) throws {
    precondition(
      classes.count == confusion.count, "\(classes.count) names for \(confusion.count) classes")
    let names = classes.map(quotedForCSV)
    let lines =
      [(["class"] + names).joined(separator: ",")]
      + zip(names, confusion).map { ([$0] + $1.map(String.init)).joined(separator: ",") }
    try replaceFile(path) { try $0.write(lines.joined(separator: "\n") + "\n") }
  }
}
