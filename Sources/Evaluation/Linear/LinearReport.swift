import Files
import Foundation

/// The output of `moco linear --json`. Shares are in per cent.
package struct LinearReport: Codable, Sendable {
  package struct Trial: Codable, Sendable {
    /// For a batch of 256.
    package var lr: Double
    /// For the actual batch.
    package var scaledLr: Double
    /// The epoch, from 1, in which the training diverged.
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
  /// The numbers of classes that have an image in the sets.
  package var trainClasses: Int
  package var testClasses: Int
  package var unreadable: Int
  /// The number of the encoder's tensors that were compared and found unchanged, bit for bit.
  package var unchangedTensors: Int
  package var trials: [Trial]
  /// Of the best epoch of the best learning rate; nil if all diverged.
  package var top1: Double?
  package var top5: Double?
  package var classNames: [String]
  package var classes: [ClassificationScore.ClassRow]
  /// The number of images by class (row) and by predicted class (column).
  package var confusion: [[Int]]

  package init(
    _ outcome: LinearEvaluation.Outcome, of sets: LinearEvaluation, _ settings: LinearProtocol, recipe: String
  ) {
    self.recipe = recipe
    (epochs, batchSize) = (settings.epochs, settings.batchSize)
    (weightDecay, seed) = (settings.weightDecay, settings.seed)
    (trainImages, testImages) = (outcome.trainImages, outcome.testImages)
    (trainClasses, testClasses) = (sets.train.dataset.classCount, sets.test.dataset.classCount)
    unreadable = outcome.unreadable.count
    unchangedTensors = outcome.unchangedTensors
    trials = outcome.trials.map {
      Trial(
        lr: $0.learningRate, scaledLr: settings.scaled($0.learningRate), divergedIn: $0.divergedIn,
        best: $0.best, last: $0.last, epochs: $0.epochs)
    }
    let best = outcome.best
    (top1, top5) = (best?.best?.top1, best?.best?.top5)
    classNames = sets.train.dataset.classNames
    classes = best?.bestScore?.byClass ?? []
    confusion = best?.bestScore?.confusion ?? []
  }
}

extension LinearEvaluation.Outcome {
  /// The trial with the highest top-1; nil if all diverged before their first test.
  package var best: LinearProtocol.Trial? {
    trials.filter { $0.best != nil }.max { ($0.best?.top1 ?? -1) < ($1.best?.top1 ?? -1) }
  }

  /// The error if there is no ``best``.
  package var allDiverged: RunError {
    RunError(
      "the classifier diverged: its loss or weights became infinite in the first epoch. Try a lower --lr, or "
        + "several with --lr-sweep.")
  }
}

extension ClassificationScore {
  /// Writes the confusion matrix as CSV: a line per class, a column per predicted class.
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
