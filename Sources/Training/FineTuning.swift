import Backbones
import Checkpoints
import Evaluation
import Torch
import Views

/// Fine-tuning on images: an encoder and a classifier learn from labels, of which there may be few.
public struct FineTuning {
  /// The images that are learned from.
  public let train: EvaluationSet
  public let test: EvaluationSet
  public let settings: FineTuneProtocol
  /// Training images there are, with the ones whose labels are not shown.
  public let available: Int
  /// Both sets are the very same images, so that the result says nothing of others.
  public let isSame: Bool
  private let device: Device

  /// - Parameters:
  ///   - train: labelled images.
  ///   - labels: which of them are learned from.
  ///   - test: what the network is tested on.
  ///   - settings: the protocol. A batch larger than the images that are learned from becomes as large as these
  ///     where `fitsBatch` says so, and is refused otherwise.
  ///   - fitsBatch: whether the batch was nobody's wish.
  ///   - device: where the network learns.
  public init(
    train: EvaluationSet, labels: LabelChoice, test: EvaluationSet, settings: FineTuneProtocol,
    fitsBatch: Bool = false, device: Device
  ) throws {
    try EvaluationSet.checkLabels(train, test, for: "fine-tuning")
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
    (self.train, self.test, self.settings, self.device) = (chosen, test, settings, device)
    (available, isSame) = (train.dataset.count, train.isSame(as: test))
  }

  public struct Outcome {
    public let trial: ClassifierTrial
    /// Backbone and classifier after the last epoch, in evaluation mode.
    public let network: any Backbone
    /// What makes such a network.
    public let config: RunConfig
    public let unreadable: [BadFile]

    /// Why there is no result, where the training diverged.
    public var divergence: RunError? {
      trial.divergedIn.map {
        RunError(
          "fine-tuning diverged in epoch \($0): its loss or weights became infinite. Try a lower --lr or "
            + "--lr-classifier.")
      }
    }
  }

  /// Trains and tests.
  /// - Parameters:
  ///   - encoder: the backbone's first weights, which stay as they are; fresh ones where there is none.
  ///   - tell: called after each test.
  public func run(from encoder: (any Backbone)?, tell: (ClassifierTrial) -> Void = { _ in }) throws -> Outcome
  {
    let config = train.config.classifying(train.dataset.classNames.count)
    let network = try withTorchErrors {
      config.makeClassifier(from: encoder, on: device, using: Generator(seed: settings.seed))
    }
    let batches = LabelledBatches(
      train, of: settings.batchSize, epochs: settings.epochs, seed: settings.seed, on: device)
    var unread: [BadFile] = []
    let trial = try settings.train(
      network, batches: { epoch, learn in try batches.epoch(epoch, learn) },
      test: {
        let logits = try test.features(of: network, layer: .head, on: device)
        unread = logits.unreadable
        return try score(logits)
      }, tell: tell)
    return Outcome(trial: trial, network: network, config: config, unreadable: batches.unreadable + unread)
  }

  /// Nil where logits are no numbers.
  private func score(_ logits: EncodedSet) throws -> ClassificationScore? {
    try withTorchErrors {
      guard logits.features.isAllFinite() else { return nil }
      var score = ClassificationScore(classes: train.dataset.classNames.count)
      score.add(logits: logits.features, labels: logits.labels)
      return score
    }
  }
}

extension RunConfig {
  /// The same network with a linear classifier in place of its head and plain batch normalisation.
  func classifying(_ classes: Int) -> RunConfig {
    var config = self
    (config.method, config.mocoDim, config.mlp, config.bnSplits) = (.moco, classes, false, 1)
    return config
  }

  /// The network of ``classifying(_:)``: the backbone a copy of the encoder's or fresh, the classifier's weights
  /// drawn from N(0, 0.01²) and its bias 0, as in the linear protocol.
  func makeClassifier(
    from encoder: (any Backbone)?, on device: Device, using generator: Generator
  ) -> any Backbone {
    let network = makeEncoder(on: .cpu, using: generator)
    let theirs = Dictionary(uniqueKeysWithValues: (encoder?.state ?? []).map { ($0.name, $0.tensor) })
    withNoGrad {
      for entry in network.state {
        switch entry.name {
        case "fc.weight", "head.weight":
          entry.tensor.copy(from: .normal(entry.tensor.shape, deviation: 0.01, using: generator))
        case "fc.bias", "head.bias": entry.tensor.fill(0)
        default:
          guard encoder != nil else { continue }
          guard let source = theirs[entry.name] else {
            preconditionFailure("the encoder has no tensor named \(entry.name)")
          }
          entry.tensor.copy(from: source)
        }
      }
    }
    network.move(to: device)
    return network
  }
}

extension FineTuning.Outcome {
  /// Writes the network as a checkpoint of weights, which every command takes; exported it keeps its classifier.
  public func write(to path: String) throws {
    var notes = try config.checkpointMetadata()
    notes[HeadKind.key] = HeadKind.classifier.rawValue
    let tensors = try withTorchErrors {
      network.state.map { (name: "encoder_q.\($0.name)", tensor: $0.tensor.detached()) }
    }
    try Safetensors.write(tensors, metadata: notes, to: path)
  }
}
