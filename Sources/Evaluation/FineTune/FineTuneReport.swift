/// The output of `moco finetune --json`. Shares are in per cent.
package struct FineTuneReport: Codable, Sendable {
  package struct Trial: Codable, Sendable {
    /// The epoch, from 1, in which the training diverged.
    package var divergedIn: Int?
    package var best: ClassifierRun.Epoch?
    package var last: ClassifierRun.Epoch?
    package var epochs: [ClassifierRun.Epoch]

    init(_ trial: ClassifierRun) {
      (divergedIn, best, last, epochs) = (trial.divergedIn, trial.best, trial.last, trial.epochs)
    }
  }

  package var recipe: String
  /// The value of every key, by its name.
  package var settings: [String: String]
  /// A share or the path of a list.
  package var labels: String
  package var epochs: Int
  package var batchSize: Int
  /// For a batch of 256.
  package var lr: Double
  package var lrClassifier: Double
  /// For the actual batch.
  package var scaledLr: Double
  package var scaledLrClassifier: Double
  package var momentum: Double
  package var weightDecay: Double
  package var seed: UInt64
  /// The number of training images.
  package var trainImages: Int
  /// The number of training images, including those whose label was not used.
  package var availableImages: Int
  package var testImages: Int
  /// The numbers of classes that have an image in the sets.
  package var trainClasses: Int
  package var testClasses: Int
  package var fineTuned: Trial
  package var fromScratch: Trial?
  /// Of the fine-tuned network after the last epoch, like all following values.
  package var top1: Double?
  package var top5: Double?
  package var classNames: [String]
  package var classes: [ClassificationScore.ClassRow]
  /// The number of images by class (row) and by predicted class (column).
  package var confusion: [[Int]]

  package init(
    _ tuning: FineTuning, _ labels: LabelSubset, recipe: String, values: [String: String],
    fineTuned: ClassifierRun, fromScratch: ClassifierRun?
  ) {
    (self.recipe, self.settings) = (recipe, values)
    let settings = tuning.settings
    self.labels = labels.description
    (epochs, batchSize) = (settings.epochs, settings.batchSize)
    (lr, lrClassifier) = (settings.backboneRate, settings.classifierRate)
    (scaledLr, scaledLrClassifier) = (settings.scaled(lr), settings.scaled(lrClassifier))
    (momentum, weightDecay, seed) = (settings.momentum, settings.weightDecay, settings.seed)
    (trainImages, availableImages) = (tuning.train.dataset.count, tuning.available)
    testImages = fineTuned.lastScore?.count ?? 0
    (trainClasses, testClasses) = (tuning.train.dataset.classCount, tuning.test.dataset.classCount)
    self.fineTuned = Trial(fineTuned)
    self.fromScratch = fromScratch.map { Trial($0) }
    (top1, top5) = (fineTuned.last?.top1, fineTuned.last?.top5)
    classNames = tuning.train.dataset.classNames
    classes = fineTuned.lastScore?.byClass ?? []
    confusion = fineTuned.lastScore?.confusion ?? []
  }
}
