import Evaluation

/// What `moco finetune --json` prints. Shares are in per cent.
public struct FineTuneReport: Codable, Sendable {
  public struct Trial: Codable, Sendable {
    /// The epoch, from 1, in which it did.
    public var divergedIn: Int?
    public var best: ClassifierTrial.Epoch?
    public var last: ClassifierTrial.Epoch?
    public var epochs: [ClassifierTrial.Epoch]

    init(_ trial: ClassifierTrial) {
      (divergedIn, best, last, epochs) = (trial.divergedIn, trial.best, trial.last, trial.epochs)
    }
  }

  /// A share or a list.
  public var labels: String
  public var epochs: Int
  public var batchSize: Int
  /// At a batch of 256.
  public var lr: Double
  public var lrClassifier: Double
  /// At the batch there was.
  public var scaledLr: Double
  public var scaledLrClassifier: Double
  public var momentum: Double
  public var weightDecay: Double
  public var seed: UInt64
  /// Images that were learned from.
  public var trainImages: Int
  /// Those and the ones whose label was not shown.
  public var availableImages: Int
  public var testImages: Int
  public var fineTuned: Trial
  public var fromScratch: Trial?
  /// Of the fine-tuned network after the last epoch, as all that follows.
  public var top1: Double?
  public var top5: Double?
  public var classNames: [String]
  public var classes: [ClassificationScore.ClassRow]
  /// Images by class (row) and by the class they were taken for.
  public var confusion: [[Int]]

  public init(
    _ tuning: FineTuning, _ labels: LabelChoice, fineTuned: ClassifierTrial, fromScratch: ClassifierTrial?
  ) {
    let settings = tuning.settings
    self.labels = labels.description
    (epochs, batchSize) = (settings.epochs, settings.batchSize)
    (lr, lrClassifier) = (settings.backboneRate, settings.classifierRate)
    (scaledLr, scaledLrClassifier) = (settings.scaled(lr), settings.scaled(lrClassifier))
    (momentum, weightDecay, seed) = (settings.momentum, settings.weightDecay, settings.seed)
    (trainImages, availableImages) = (tuning.train.dataset.count, tuning.available)
    testImages = fineTuned.lastScore?.count ?? 0
    self.fineTuned = Trial(fineTuned)
    self.fromScratch = fromScratch.map { Trial($0) }
    (top1, top5) = (fineTuned.last?.top1, fineTuned.last?.top5)
    classNames = tuning.train.dataset.classNames
    classes = fineTuned.lastScore?.byClass ?? []
    confusion = fineTuned.lastScore?.confusion ?? []
  }
}
