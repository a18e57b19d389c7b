import Checkpoints
import Evaluation
import Foundation

/// What `moco linear --json` prints. Shares are in per cent.
public struct LinearReport: Codable, Sendable {
  public struct Trial: Codable, Sendable {
    /// At a batch of 256.
    public var lr: Double
    /// At the batch there was.
    public var scaledLr: Double
    /// The epoch, from 1, in which it did.
    public var divergedIn: Int?
    public var best: ClassifierTrial.Epoch?
    public var last: ClassifierTrial.Epoch?
    public var epochs: [ClassifierTrial.Epoch]
  }

  public var recipe: String
  public var epochs: Int
  public var batchSize: Int
  public var weightDecay: Double
  public var seed: UInt64
  public var trainImages: Int
  public var testImages: Int
  public var unreadable: Int
  /// The encoder is, bit for bit, what it was; this many tensors were compared.
  public var unchangedTensors: Int
  public var trials: [Trial]
  /// Of the best epoch of the best learning rate; nothing where all diverged.
  public var top1: Double?
  public var top5: Double?
  public var classNames: [String]
  public var classes: [ClassificationScore.ClassRow]
  /// Images by class (row) and by the class they were taken for.
  public var confusion: [[Int]]

  public init(
    _ outcome: LinearMeasurement.Outcome, _ settings: LinearProtocol, recipe: String, classes: [String]
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

extension LinearMeasurement.Outcome {
  /// The trial with the highest top-1 of all; nil where all diverged before their first test.
  public var best: LinearProtocol.Trial? {
    trials.filter { $0.best != nil }.max { ($0.best?.top1 ?? -1) < ($1.best?.top1 ?? -1) }
  }

  /// What to tell where there is no ``best``.
  public var allDiverged: RunError {
    RunError(
      "the classifier diverged: its loss or weights became infinite in the first epoch. Try a lower --lr, or "
        + "several with --lr-sweep.")
  }
}

extension ClassificationScore {
  /// Writes the confusion matrix as CSV: a line a class, a column for each class it was taken for.
  public func writeConfusion(to path: String, classes: [String]) throws {
    precondition(
      classes.count == confusion.count, "\(classes.count) names for \(confusion.count) classes")
    let names = classes.map(quotedForCSV)
    let lines =
      [(["class"] + names).joined(separator: ",")]
      + zip(names, confusion).map { ([$0] + $1.map(String.init)).joined(separator: ",") }
    try replaceFile(path) { try $0.write(lines.joined(separator: "\n") + "\n") }
  }

  private func quotedForCSV(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}
