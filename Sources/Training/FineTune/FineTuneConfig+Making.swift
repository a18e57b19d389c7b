import Data
import Evaluation
import Files
import Methods
import Torch

extension FineTuneConfig {
  /// The protocol.
  package var settings: FineTuneProtocol {
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.seed) = (self.epochs, self.batchSize, self.seed)
    settings.testEvery = self.testEvery
    (settings.optimizer, settings.momentum) = (self.optimizer, self.momentum)
    (settings.weightDecay, settings.decaysAll) = (self.wd, self.wdAll)
    (settings.backboneRate, settings.classifierRate) = (self.lr, self.lrClassifier ?? self.lr)
    (settings.schedule, settings.leastRate) = (self.schedule, self.minLR)
    (settings.warmUpEpochs, settings.layerDecay) = (self.warmupEpochs, self.layerDecay)
    (settings.dropPath, settings.labelSmoothing) = (self.dropPath, self.labelSmoothing)
    settings.mixup = Mixup(
      mixupAlpha: self.mixup, cutmixAlpha: self.cutmix, probability: self.mixProb,
      switchProbability: self.mixSwitch)
    settings.erasing = RandomErasing(probability: self.erasing)
    settings.view.steps = [.crop(scale: self.cropScale...1), .flip(probability: self.flip)]
    if let randAugment = self.randAugment { settings.view.steps.append(.randAugment(randAugment)) }
    (settings.view.interpolation, settings.view.repeats) = (self.cropInterpolation, self.repeats)
    (settings.batchNorm, settings.normalizesFeatures) = (self.batchNorm, self.featureNorm)
    (settings.learnsEmbeddings, settings.precision) = (self.learnEmbeddings, self.precision)
    return settings
  }

  /// Raises an error for invalid values, each in one line with the option's name.
  package func validate() throws {
    try checkRanges()
    guard self.warmupEpochs < Double(self.epochs) else {
      throw UsageError(
        "--warmup-epochs \(self.warmupEpochs): must be fewer than the \(self.epochs) epochs.")
    }
  }

  /// What a run's numbers depend on.
  /// - Parameter batchSize: The actual one, which few images make smaller.
  package func identity(batchSize: Int) throws -> FineTuneIdentity {
    var config = self
    config.batchSize = batchSize
    config.testEvery = 1
    let own = config
    return FineTuneIdentity(hash: try own.hash, text: try own.yaml()) { text in
      try FineTuneConfig(yaml: text, source: "the checkpoint").differences(from: own)
    }
  }

  /// The same with another number of epochs: milestones and the warm-up keep their places in the whole.
  package func stretched(to epochs: Int) -> FineTuneConfig {
    guard epochs != self.epochs else { return self }
    var config = self
    if case .milestones(let milestones) = self.schedule {
      config.schedule = .milestones(milestones.map { $0 * epochs / self.epochs })
    }
    config.warmupEpochs = self.warmupEpochs * Double(epochs) / Double(self.epochs)
    config.epochs = epochs
    return config
  }
}
