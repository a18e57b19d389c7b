import Data
import Files
import Models
import Torch

/// The linear protocol on images: a classifier on a frozen encoder.
package struct LinearEvaluation {
  package let train: EvaluationData
  package let test: EvaluationData
  package let settings: LinearProtocol
  /// Whether both sets contain the same images; the result then does not apply to other images.
  package var isSame: Bool { train.isSame(as: test) }
  private let isCached: Bool
  private let device: Device

  /// - Parameters:
  ///   - train: The training images of the classifier.
  ///   - test: The test images.
  ///   - settings: The protocol.
  ///   - cached: Whether to train on features computed once, without augmentation, instead of on a new crop
  ///     (0.08 ... 1 of the area) and flip of every image in every epoch. Much faster and slightly less
  ///     accurate.
  ///   - device: The device of the encoder and the classifier.
  package init(
    train: EvaluationData, test: EvaluationData, settings: LinearProtocol, cached: Bool, device: Device
  ) throws {
    try EvaluationData.checkLabels(train, test, for: "the linear protocol")
    (self.train, self.test, self.settings, self.isCached, self.device) = (
      train, test, settings, cached, device
    )
    try checkBatch(images: train.dataset.count)
  }

  package struct Outcome {
    /// One per learning rate.
    package let trials: [LinearProtocol.Trial]
    /// The number of the encoder's tensors that were compared with their earlier values.
    package let unchangedTensors: Int
    package let trainImages: Int
    package let testImages: Int
    package let unreadable: [BadFile]
  }

  /// Trains and tests. The encoder is always in evaluation mode.
  /// - Parameters:
  ///   - encoder: The encoder to evaluate.
  ///   - rates: Learning rates for a batch of 256; by default the settings' rate.
  ///   - progress: Called after each epoch, counted from 1.
  /// - Throws: ``RunError`` if the encoder has changed by a single bit.
  package func run(
    _ encoder: ImageEncoder, rates: [Double]? = nil,
    progress: (_ epoch: Int, [LinearProtocol.Trial]) -> Void = { _, _ in }
  ) throws -> Outcome {
    let before = encoder.checksums
    let wasTraining = encoder.isTraining
    encoder.train(false)
    defer { encoder.train(wasTraining) }

    let tested = try test.features(of: encoder, on: device)
    let source: any Source = isCached ? try CachedSource(self, encoder) : AugmentedSource(self, encoder)
    let trials = try settings.train(
      rates: rates, classes: train.dataset.classNames.count, test: tested.labelled, on: device,
      batches: { epoch, learn in try source.epoch(epoch, learn) }, progress: progress)

    guard encoder.checksums == before else {
      throw RunError(
        "the encoder changed during the linear protocol: its result is void. Please report this.")
    }
    return Outcome(
      trials: trials, unchangedTensors: before.count, trainImages: train.dataset.count,
      testImages: tested.labels.count, unreadable: source.unreadable + tested.unreadable)
  }

  private func checkBatch(images: Int) throws {
    guard settings.batchSize <= images else {
      throw UsageError(
        "--batch-size \(settings.batchSize): there are only \(images) training images. Use a smaller batch, or "
          + "more images.")
    }
  }
}

extension Module {
  /// A checksum of every parameter and buffer, in their order.
  var checksums: [UInt32] { state.map { $0.tensor.withUnsafeBytes { crc32($0) } } }
}

// MARK: - Training features

private protocol Source {
  var unreadable: [BadFile] { get }
  /// Calls `learn` with the batches of an epoch.
  func epoch(_ epoch: Int, _ learn: (LabelledFeatures) throws -> Void) throws
}

extension LinearEvaluation {
  /// A new view of each image in every epoch.
  private struct AugmentedSource: Source {
    let encoder: ImageEncoder
    let batches: LabelledBatches

    init(_ measurement: LinearEvaluation, _ encoder: ImageEncoder) {
      self.encoder = encoder
      let settings = measurement.settings
      batches = LabelledBatches(
        measurement.train, of: settings.batchSize, epochs: settings.epochs, seed: settings.seed,
        on: measurement.device)
    }

    var unreadable: [BadFile] { batches.unreadable }

    func epoch(_ epoch: Int, _ learn: (LabelledFeatures) throws -> Void) throws {
      try batches.epoch(epoch) { batch in
        let features = try withTorchErrors { withNoGrad { encoder.features(batch.images) } }
        try learn(LabelledFeatures(features: features, labels: batch.labels))
      }
    }
  }

  /// The same features in every epoch.
  private struct CachedSource: Source {
    let settings: LinearProtocol
    let encoded: ImageFeatures

    init(_ measurement: LinearEvaluation, _ encoder: ImageEncoder) throws {
      settings = measurement.settings
      encoded = try measurement.train.features(of: encoder, on: measurement.device)
      try measurement.checkBatch(images: encoded.labels.count)
    }

    var unreadable: [BadFile] { encoded.unreadable }

    func epoch(_ epoch: Int, _ learn: (LabelledFeatures) throws -> Void) throws {
      try encoded.labelled.eachBatch(of: settings.batchSize, seed: settings.seed, epoch: epoch, learn)
    }
  }
}
