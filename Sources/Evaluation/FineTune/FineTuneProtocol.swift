import Data
import Foundation
import Models
import Torch

/// Classification with all weights trained, from few or all labels: the value of an encoder as initial weights.
///
/// The defaults are this project's own, for few labels: rates in the ratio of 1 to 10, because the classifier is
/// untrained and the backbone is not, and a cosine to 0.
package struct FineTuneProtocol: Equatable, Sendable {
  package enum Optimizer: String, Codable, Sendable, CaseIterable {
    case sgd, adamw
  }

  /// The normalisations of the backbone.
  package enum BatchNorm: String, Codable, Sendable, CaseIterable {
    /// With the batch's statistics, and trained (He et al. 2020, section 4.2: features of another scale then need no
    /// other rates).
    case trained
    /// As they are in the encoder.
    case frozen
  }

  package var epochs = 50
  /// The number of images per step.
  package var batchSize = 64
  package var optimizer = Optimizer.sgd
  /// SGD's.
  package var momentum = 0.9
  package var weightDecay = 1e-4
  /// Whether biases, normalisations and a transformer's class token and positions are decayed too.
  package var decaysAll = true
  /// Of both learning rates, epoch by epoch; step by step with a warm-up.
  package var schedule = Schedule.cosine
  /// Epochs in which the rates rise from 0, step by step.
  package var warmUpEpochs = 0.0
  /// Where a cosine ends.
  package var leastRate = 0.0
  /// The backbone's learning rate for a batch of 256; see ``scaled(_:)`` for other batches.
  package var backboneRate = 0.1
  /// The classifier's.
  package var classifierRate = 1.0
  /// What a layer's rate is multiplied by for each layer between it and the classifier; 1 for equal rates.
  package var layerDecay = 1.0
  /// The chance that a sample leaves out the last residual block; that of the others falls linearly to 0 in the first.
  package var dropPath = 0.0
  package var mixup = Mixup()
  /// The share of a label that is spread over all classes.
  package var labelSmoothing = 0.0
  /// Of a random box with noise.
  package var erasing = RandomErasing(probability: 0)
  package var view = LearningView()
  package var batchNorm = BatchNorm.trained
  /// Whether features are normalised before the classifier.
  package var normalizesFeatures = false
  /// Whether a transformer's patch projection and positions are trained too.
  package var learnsEmbeddings = false
  package var precision = Precision.float32
  /// The number of epochs between tests; there is always a test after the last epoch.
  package var testEvery = 5
  /// For the classifier's initial weights, the order of the images, random draws and the choice of labels.
  package var seed: UInt64 = 1

  package init() {}

  /// A learning rate for this batch: proportional to its size (Goyal et al. 2017).
  package func scaled(_ rate: Double) -> Double { rate * Double(batchSize) / 256 }

  /// The learning rate of a step for this batch.
  /// - Parameters:
  ///   - base: For a batch of 256.
  ///   - epoch: Counted from 0.
  ///   - progress: Of the epoch, 0 ..< 1.
  package func rate(_ base: Double, epoch: Int, progress: Double = 0) -> Double {
    let place = Double(epoch) + (warmUpEpochs > 0 ? progress : 0)
    let rate = scaled(base)
    guard schedule == .cosine else {
      return rate * schedule.rate(base: 1, epoch: place, epochs: epochs, warmUp: warmUpEpochs)
    }
    return schedule.rate(
      base: rate, epoch: place, epochs: epochs, warmUp: warmUpEpochs, least: min(leastRate, rate))
  }

  /// A sentence where a cosine does not fall, because its end is no lower than a rate for this batch.
  package var warning: String? {
    let lowest = min(scaled(backboneRate), scaled(classifierRate))
    guard schedule == .cosine, leastRate > 0, lowest <= leastRate else { return nil }
    func text(_ rate: Double) -> String { String(format: "%.6g", rate) }
    return
      "--min-lr \(text(leastRate)) is not scaled to the batch: the learning rate for a batch of \(batchSize) is "
      + "\(text(lowest)), and does not fall. Give a lower --min-lr, or a higher --lr."
  }

  /// Trains backbone and classifier together and tests them. It ends if a loss or weights become infinite or
  /// NaN.
  ///
  /// The network is in training mode for a batch and in evaluation mode for a test and afterwards.
  /// - Parameters:
  ///   - network: N×3×H×W → N×C logits; the parameters of its classifier are named `fc.…` or `head.…`.
  ///   - classes: C, which soft labels need; otherwise the labels show it.
  ///   - batchesPerEpoch: The number of steps per epoch, which a warm-up needs.
  ///   - batches: Calls its second argument with each batch of an epoch (counted from 0).
  ///   - test: Scores the network; nil if its logits are not finite.
  ///   - checkpoints: Where the state after each epoch is kept; an earlier one is taken over.
  ///   - progress: Called after each test.
  ///   - isStopped: Whether a signal ends the training; read after every batch.
  /// - Throws: ``FineTuningStopped`` after `isStopped`, or where `test` throws ``EvaluationStopped``; `TorchError`, and the errors
  ///   of `batches`, `test` and `checkpoints`.
  package func train(
    _ network: ImageEncoder, classes: Int, batchesPerEpoch: Int = 1,
    batches: (_ epoch: Int, _ learn: (LabelledBatch) throws -> Void) throws -> Void,
    test: () throws -> ClassificationScore?, checkpoints: FineTuneCheckpoints? = nil,
    progress: (ClassifierRun) throws -> Void = { _ in }, isStopped: @escaping () -> Bool = { false }
  ) throws -> ClassifierRun {
    let trial = ClassifierRun()
    let tuner = try withTorchErrors { FineTuner(network, self, classes: classes) }
    defer { network.train(false) }
    let first = checkpoints?.epochsDone ?? 0
    var kept = first
    func score(epoch: Int) throws -> ClassificationScore? {
      network.train(false)
      do { return try test() } catch is EvaluationStopped {
        throw FineTuningStopped(epoch: epoch, kept: kept)
      }
    }
    try checkpoints?.restore(tuner, trial)
    if first >= epochs { trial.finish(try score(epoch: first)) }
    for epoch in first..<max(first, epochs) where trial.divergedIn == nil {
      tuner.train()
      try batches(epoch) { batch in
        guard trial.divergedIn == nil else { return }
        let progress = Double(batch.index) / Double(batchesPerEpoch)
        trial.note(loss: try tuner.learn(batch, epoch: epoch, progress: progress), epoch: epoch)
        if isStopped() { throw FineTuningStopped(epoch: epoch + 1, kept: kept) }
      }
      let loss = trial.takeMeanLoss()
      guard trial.divergedIn == nil else { break }
      let isDue = (epoch + 1) % testEvery == 0 || epoch + 1 == epochs
      if isDue {
        trial.note(try tuner.isFinite ? score(epoch: epoch + 1) : nil, epoch: epoch, loss: loss)
      }
      if trial.divergedIn == nil, let checkpoints {
        try checkpoints.save(tuner, trial, epoch: epoch, seed: seed)
        kept = epoch + 1
      }
      if isDue { try progress(trial) }
    }
    return trial
  }
}
