import Data
import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights
@testable import Evaluation

/// Fine-tuning on images.
@Suite(.serialized) struct FineTuningTests {
  private let encoder: TrainedEncoder
  private let train: String
  private let test: String

  init() throws {
    encoder = try makeTrainedEncoder()
    train = try makeColourFolder(imagesPerClass: 20)
    test = try makeColourFolder(imagesPerClass: 8, seed: 4)
  }

  private func tuning(
    labels: LabelSubset = .share(0.4), batch: Int = 8, fits: Bool = false, epochs: Int = 6,
    _ change: (inout FineTuneProtocol) -> Void = { _ in }
  ) throws -> FineTuning {
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.testEvery) = (epochs, batch, 2)
    change(&settings)
    return try FineTuning(
      .small, train: EvaluationData(train, split: .train, input: .small), labels: labels,
      test: EvaluationData(test, split: .test, input: .small), settings: settings, fitsBatch: fits,
      device: .cpu)
  }

  @Test func fewLabelsTellClassesOfDifferentColour() throws {
    let tuning = try tuning(epochs: 10)
    #expect(tuning.train.dataset.count == 24 && tuning.available == 60 && !tuning.isSame)
    for backbone in [encoder.network, nil] {
      let outcome = try tuning.run(from: backbone)
      #expect(outcome.divergence == nil && outcome.trial.epochs.map(\.epoch) == [2, 4, 6, 8, 10])
      // A third by chance; the colours are far apart.
      #expect(try #require(outcome.trial.last).top1 > 90)
      #expect(try #require(outcome.trial.lastScore).count == 24)
    }
  }

  @Test func theEncoderStaysAndTheNetworkBeginsAsItsCopy() throws {
    let before = encoder.network.checksums
    let network = encoder.spec.classifying(3).makeClassifier(
      from: encoder.network, on: .cpu, using: Generator(seed: 1))
    let theirs = Dictionary(uniqueKeysWithValues: encoder.network.state.map { ($0.name, $0.tensor) })
    var copied = 0
    for entry in network.state where !entry.name.hasPrefix("fc.") {
      #expect(entry.tensor.array(of: Double.self) == theirs[entry.name]?.array(of: Double.self))
      copied += 1
    }
    #expect(copied == before.count - 2 && network.state.count == before.count)
    _ = try tuning(epochs: 1).run(from: encoder.network)
    #expect(encoder.network.checksums == before)
  }

  @Test func aRunIsRepeatable() throws {
    let first = try tuning(epochs: 2).run(from: encoder.network)
    let second = try tuning(epochs: 2).run(from: encoder.network)
    #expect(first.trial.epochs == second.trial.epochs && first.network.checksums == second.network.checksums)
  }

  /// All parts of the transformers' recipe at once, on a network of two seconds.
  private static func everything(_ settings: inout FineTuneProtocol) {
    (settings.optimizer, settings.weightDecay, settings.decaysAll) = (.adamw, 0.05, false)
    (settings.backboneRate, settings.classifierRate) = (0.1, 0.1)
    (settings.layerDecay, settings.warmUpEpochs, settings.leastRate) = (0.8, 0.5, 1e-5)
    (settings.dropPath, settings.labelSmoothing) = (0.2, 0.1)
    settings.mixup = Mixup(mixupAlpha: 0.8, cutmixAlpha: 1)
    settings.erasing = RandomErasing(probability: 0.25)
    settings.view.steps.append(.randAugment(RandAugment()))
    (settings.view.interpolation, settings.view.repeats) = (.bicubic, 3)
    settings.normalizesFeatures = true
  }

  @Test func theTransformersRecipeLearnsAndIsRepeatable() throws {
    let first = try tuning(epochs: 2, Self.everything).run(from: encoder.network)
    let second = try tuning(epochs: 2, Self.everything).run(from: encoder.network)
    #expect(first.divergence == nil && first.trial.epochs.map(\.epoch) == [2])
    #expect(first.trial.epochs == second.trial.epochs && first.network.checksums == second.network.checksums)
    // A batch is mixed whatever the images are, so that the loss stays above that of hard labels.
    #expect(try #require(first.trial.last).loss > 0.3)
    // The plain network without the normalisation that was folded in.
    #expect(first.network.state.map(\.name).suffix(2) == ["fc.weight", "fc.bias"])
    let other = try tuning(epochs: 2) {
      Self.everything(&$0)
      $0.dropPath = 0
    }.run(from: encoder.network)
    #expect(other.network.checksums != first.network.checksums)
  }

  @Test func softLabelsAndErasingStillTellClassesOfDifferentColour() throws {
    let outcome = try tuning(epochs: 10) {
      $0.labelSmoothing = 0.1
      $0.erasing = RandomErasing(probability: 0.25)
    }.run(from: encoder.network)
    // A third by chance; the colours are far apart.
    #expect(try #require(outcome.trial.last).top1 > 70)
  }

  @Test func frozenNormalisationStaysAsItIsInTheEncoder() throws {
    for isFrozen in [true, false] {
      let outcome = try tuning(epochs: 1) { $0.batchNorm = isFrozen ? .frozen : .trained }
        .run(from: encoder.network)
      let before = Dictionary(uniqueKeysWithValues: encoder.network.state.map { ($0.name, $0.tensor) })
      func isSame(_ name: String) -> Bool {
        outcome.network.state.first { $0.name == name }?.tensor.array(of: Double.self)
          == before[name]?.array(of: Double.self)
      }
      let norms = ["bn1.weight", "bn1.running_mean", "layer3.0.bn2.bias", "layer3.0.bn2.running_var"]
      #expect(norms.allSatisfy { isSame($0) == isFrozen })
      #expect(!isSame("conv1.weight") && !isSame("layer2.0.conv1.weight"))
    }
  }

  @Test func bfloat16LearnsInFloat32Weights() throws {
    let outcome = try tuning(epochs: 2) { $0.precision = .bfloat16 }.run(from: encoder.network)
    #expect(outcome.divergence == nil)
    #expect(
      outcome.network.state.allSatisfy { !$0.tensor.dtype.isFloatingPoint || $0.tensor.dtype == .float32 })
    let exact = try tuning(epochs: 2).run(from: encoder.network)
    #expect(exact.network.checksums != outcome.network.checksums)
  }

  /// With and without the transformers' recipe.
  @Test(arguments: [false, true]) func aBrokenRunGoesOnBitForBit(hasAll: Bool) throws {
    struct Broken: Error {}
    let folder = temporaryFolder() + "/kept"
    let identity = FineTuneIdentity(hash: "a", text: "0.1")
    func tuning() throws -> FineTuning {
      try self.tuning(epochs: 6) { if hasAll { Self.everything(&$0) } }
    }
    let whole = try tuning().run(from: encoder.network)
    for last in [2, 4] {
      #expect(throws: Broken.self) {
        try tuning().run(from: encoder.network, keptIn: folder, identity: identity) { trial in
          if trial.last?.epoch == last { throw Broken() }
        }
      }
    }
    let resumed = try tuning().run(from: encoder.network, keptIn: folder, identity: identity)
    #expect(resumed.network.checksums == whole.network.checksums)
    #expect(resumed.trial.epochs == whole.trial.epochs && resumed.trial.best == whole.trial.best)
    // Nothing is left to do but the test.
    let again = try tuning().run(from: encoder.network, keptIn: folder, identity: identity)
    #expect(again.network.checksums == whole.network.checksums)
    #expect(again.trial.epochs == whole.trial.epochs && again.trial.lastScore == whole.trial.lastScore)

  }

  @Test func theFolderOfAnotherRunIsRefusedWithItsDifference() throws {
    let folder = temporaryFolder() + "/kept"
    let identity = FineTuneIdentity(hash: "a", text: "0.1")
    _ = try tuning(epochs: 1).run(from: encoder.network, keptIn: folder, identity: identity)
    func refusal(_ difference: String) -> UsageError {
      UsageError(
        "--checkpoints \(folder): the folder belongs to another run (\(difference)). Choose another folder, or repeat that "
          + "run's command to continue it.")
    }
    let options = FineTuneIdentity(hash: "b", text: "0.2") { ["lr is \($0) there and 0.2 here"] }
    #expect(throws: refusal("lr is 0.1 there and 0.2 here")) {
      try tuning(epochs: 1).run(from: nil, keptIn: folder, identity: options)
    }
    #expect(throws: refusal("other training images or labels")) {
      try tuning(labels: .share(0.2), epochs: 1).run(
        from: encoder.network, keptIn: folder, identity: identity)
    }
    #expect(throws: refusal("other first weights")) {
      try tuning(epochs: 1).run(from: nil, keptIn: folder, identity: identity)
    }
    // As of a folder that says no more.
    #expect(throws: refusal("other options, images or first weights")) {
      try tuning(epochs: 1).run(from: encoder.network, keptIn: folder, identity: FineTuneIdentity(hash: "b"))
    }
  }

  @Test func aSignalEndsItAfterAStepAndWholeEpochsAreKept() throws {
    let folder = temporaryFolder() + "/kept"
    let identity = FineTuneIdentity(hash: "a")
    func end(atQuestion last: Int, keptIn folder: String? = nil) -> FineTuningStopped? {
      var asked = 0
      do {
        _ = try tuning(epochs: 4).run(
          from: encoder.network, keptIn: folder, identity: identity,
          isStopped: {
            asked += 1
            return asked == last
          })
        return nil
      } catch { return error as? FineTuningStopped }
    }
    // 24 images in batches of 8 are three steps an epoch. The first test is after the second epoch.
    #expect(end(atQuestion: 5) == FineTuningStopped(epoch: 2, kept: 0))
    #expect(end(atQuestion: 7) == FineTuningStopped(epoch: 2, kept: 0), "in the test")
    #expect(end(atQuestion: 5, keptIn: folder) == FineTuningStopped(epoch: 2, kept: 1))
    #expect(end(atQuestion: 1, keptIn: folder) == FineTuningStopped(epoch: 2, kept: 1))
    let resumed = try tuning(epochs: 4).run(from: encoder.network, keptIn: folder, identity: identity)
    let whole = try tuning(epochs: 4).run(from: encoder.network)
    #expect(
      resumed.network.checksums == whole.network.checksums && resumed.trial.epochs == whole.trial.epochs)
    // Nothing is left to do but the test.
    #expect(end(atQuestion: 1, keptIn: folder) == FineTuningStopped(epoch: 4, kept: 4))
  }

  @Test func theNetworkIsKeptWithItsClassifier() throws {
    let outcome = try tuning(epochs: 1).run(from: encoder.network)
    let path = temporaryFolder() + "/tuned.safetensors"
    try outcome.write(to: path)
    let file = try SafetensorsFile(path)
    #expect(file.metadata["head"] == "classifier" && file.entries.count == outcome.network.state.count)
    let again = try TrainedEncoder(path, on: .cpu)
    #expect(again.network.checksums == outcome.network.checksums)
    #expect(again.spec.head == .linear(outputs: 3) && again.spec.arch == .resnet8)
  }

  @Test func aBatchFitsFewImagesOrIsRefused() throws {
    #expect(try tuning(labels: .share(0.1), batch: 64, fits: true).settings.batchSize == 6)
    #expect(
      throws: UsageError(
        "--batch-size 64: only 6 images are learned from. Use a smaller batch, or more labels.")
    ) { try tuning(labels: .share(0.1), batch: 64) }
    let list = temporaryFolder() + "/one.txt"
    try "red/000.png".write(toFile: list, atomically: true, encoding: .utf8)
    #expect(
      throws: UsageError(
        "--labels \(list): one image is too few: batch normalisation needs at least 2.")
    ) { try tuning(labels: .list(list), fits: true) }
  }
}
