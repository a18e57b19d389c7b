import Data
import Files
import Models
import Torch

/// Fine-tuning on images: an encoder and a classifier are trained with labels, possibly few.
package struct FineTuning {
  /// The training images.
  package let train: EvaluationData
  package let test: EvaluationData
  package let settings: FineTuneProtocol
  /// The number of training images, including those whose labels are not used.
  package let available: Int
  /// Whether both sets contain the same images; the result then does not apply to other images.
  package let isSame: Bool
  private let spec: EncoderSpec
  private let device: Device

  /// - Parameters:
  ///   - spec: The network, whose head a classifier replaces.
  ///   - train: Labelled images.
  ///   - labels: The subset of them for training.
  ///   - test: The test images.
  ///   - settings: The protocol. If the batch is larger than the number of training images, it is reduced to
  ///     that number if `fitsBatch`; otherwise an error is thrown.
  ///   - fitsBatch: Whether the batch size is the default.
  ///   - device: The device of the training.
  package init(
    _ spec: EncoderSpec, train: EvaluationData, labels: LabelSubset, test: EvaluationData,
    settings: FineTuneProtocol,
    fitsBatch: Bool = false, device: Device
  ) throws {
    try EvaluationData.checkLabels(train, test, for: "fine-tuning")
    let chosen = try train.choosing(labels, seed: settings.seed)
    let count = chosen.dataset.count
    var settings = settings
    if fitsBatch { settings.batchSize = min(settings.batchSize, count) }
    guard settings.batchSize <= count else {
      throw UsageError(
        "--batch-size \(settings.batchSize): only \(count) images are learned from. Use a smaller batch, or more "
          + "labels.")
    }
    guard settings.batchSize > 1 else {
      throw UsageError("--labels \(labels): one image is too few: batch normalisation needs at least 2.")
    }
    guard settings.view.repeats == 1 || chosen.dataset.shards?.isRandomAccess ?? true else {
      throw UsageError(
        "--repeats \(settings.view.repeats): images of packed shards and commands are only read in sequence, once an "
          + "epoch. Give --repeats 1, or unpack the shards.")
    }
    (self.train, self.test, self.settings) = (chosen, test, settings)
    (self.spec, self.device) = (spec, device)
    (available, isSame) = (train.dataset.count, train.isSame(as: test))
  }

  package struct Outcome {
    package let trial: ClassifierRun
    /// Backbone and classifier after the last epoch, in evaluation mode.
    package let network: ImageEncoder
    package let spec: EncoderSpec
    package let unreadable: [BadFile]

    /// The error if the training diverged.
    package var divergence: RunError? {
      trial.divergedIn.map {
        RunError(
          "fine-tuning diverged in epoch \($0): its loss or weights became infinite. Try a lower --lr or "
            + "--lr-classifier.")
      }
    }
  }

  /// Trains and tests.
  /// - Parameters:
  ///   - encoder: Provides the backbone's initial weights, and does not change; nil for random ones.
  ///   - folder: Where the state after each epoch is kept; a run that was broken off goes on from there.
  ///   - identity: The configuration; another one's folder is refused.
  ///   - progress: Called after each test.
  ///   - isStopped: Whether a signal ends the run; read after every batch.
  /// - Throws: ``FineTuningStopped`` soon after `isStopped`.
  package func run(
    from encoder: ImageEncoder?, keptIn folder: String? = nil,
    identity: FineTuneIdentity = FineTuneIdentity(),
    progress: (ClassifierRun) throws -> Void = { _ in }, isStopped: @escaping () -> Bool = { false }
  ) throws -> Outcome {
    let spec = spec.classifying(train.dataset.classNames.count)
    let network = try withTorchErrors {
      let network = spec.makeClassifier(
        from: encoder, learnsEmbeddings: settings.learnsEmbeddings, on: device,
        using: Generator(seed: settings.seed))
      return settings.normalizesFeatures ? network.normalizingFeatures() : network
    }
    let checkpoints = try folder.map {
      try FineTuneCheckpoints(
        $0, of: .init(options: identity, images: train.dataset.fingerprint, weights: network.checksums))
    }
    let batches = LabelledBatches(
      train, of: settings.batchSize, epochs: max(settings.epochs, checkpoints?.epochsDone ?? 0),
      seed: settings.seed, settings.view, from: checkpoints?.epochsDone ?? 0, on: device)
    var unread: [BadFile] = []
    let trial = try settings.train(
      network, classes: train.dataset.classNames.count, batchesPerEpoch: batches.batchesPerEpoch,
      batches: { epoch, learn in try batches.epoch(epoch, learn) },
      test: {
        let logits = try test.features(of: network, layer: .head, on: device) { _, _ in
          if isStopped() { throw EvaluationStopped() }
        }
        unread = logits.unreadable
        return try score(logits)
      }, checkpoints: checkpoints, progress: progress, isStopped: isStopped)
    return Outcome(
      trial: trial, network: try withTorchErrors { network.foldingFeatures() }, spec: spec,
      unreadable: batches.unreadable + unread)
  }

  /// Nil if logits are not finite.
  private func score(_ logits: ImageFeatures) throws -> ClassificationScore? {
    try withTorchErrors {
      guard logits.features.isAllFinite() else { return nil }
      var score = ClassificationScore(classes: train.dataset.classNames.count)
      score.add(logits: logits.features, labels: logits.labels)
      return score
    }
  }
}

extension EncoderSpec {
  /// The same network with a linear classifier instead of its head.
  func classifying(_ classes: Int) -> EncoderSpec {
    var spec = self
    spec.head = .linear(outputs: classes)
    return spec
  }

  /// The network, with plain batch normalisation: the backbone is a copy of the encoder's or random, the
  /// classifier's weights are drawn from N(0, 0.01²) and its bias is 0, as in the linear protocol.
  /// - Parameter learnsEmbeddings: Whether a transformer's patch projection and positions are trained.
  func makeClassifier(
    from encoder: ImageEncoder?, learnsEmbeddings: Bool = false, on device: Device, using generator: Generator
  ) -> ImageEncoder {
    let network = makeEncoder(
      freezesProjection: !learnsEmbeddings, fixesPositions: !learnsEmbeddings, using: generator)
    withNoGrad {
      for entry in network.head?.state ?? [] {
        if entry.name == "bias" {
          entry.tensor.fill(0)
        } else {
          entry.tensor.copy(from: .normal(entry.tensor.shape, deviation: 0.01, using: generator))
        }
      }
    }
    if let encoder { network.backbone.copyState(from: encoder.backbone) }
    network.move(to: device)
    return network
  }
}

extension FineTuning.Outcome {
  /// Writes the network as a checkpoint of weights, which every command accepts; an export keeps its
  /// classifier.
  package func write(to path: String) throws {
    try spec.write(network, head: .classifier, to: path)
  }
}
