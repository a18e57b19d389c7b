import Data
import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights
@testable import Evaluation

/// The protocol against PyTorch, on a ResNet-8 in float64.
@Suite struct FineTuneProtocolTests {
  private struct Fixture: Decodable {
    struct Case: Decodable {
      struct Epoch: Decodable {
        let loss: Double
        let top1: Double
      }
      let lr: Double
      let lrClassifier: Double
      let weightDecay: Double
      let milestones: [Int]?
      // Of the case with layer-wise rates.
      let layerDecay: Double?
      let smoothing: Double?
      let warmupEpochs: Double?
      let minLr: Double?
      let epochs: [Epoch]
      let logits: [Double]
      let norms: [String: Double]
    }
    let images: Int
    let testImages: Int
    let side: Int
    let classes: Int
    let batch: Int
    let cases: [Case]
  }

  private static func fixture() throws -> Fixture {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/finetune.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Fixture.self, from: Data(contentsOf: url))
  }

  private static func labels(_ salt: Int, _ count: Int, classes: Int) -> [Int] {
    formula(salt: salt, shape: [count]).array(of: Double.self).map {
      Int((($0 + 1) / 2 * Double(classes)).rounded(.down))
    }
  }

  private static func makeNetwork(classes: Int) -> ImageEncoder {
    let network = EncoderSpec(arch: .resnet8, head: .linear(outputs: classes))
      .makeEncoder(using: Generator(seed: 0))
    network.convert(to: .float64)
    withNoGrad {
      for (number, entry) in network.namedParameters.enumerated() {
        let shape = entry.tensor.shape
        if shape.count > 1 {
          let scale = (6 / Double(shape.dropFirst().reduce(1, *))).squareRoot()
          entry.tensor.copy(
            from: formula(salt: 1000 + number, shape: shape)
              * (scale * (entry.name == "fc.weight" ? 0.01 : 1)))
        } else {
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
        }
      }
    }
    return network
  }

  @Test(arguments: 0..<3)
  func threeEpochsAreThoseOfPyTorch(number: Int) throws {
    let fixture = try Self.fixture()
    #expect(fixture.cases.count == 3)
    let expected = fixture.cases[number]
    let (count, side, classes) = (fixture.images, fixture.side, fixture.classes)
    let images = formula(salt: 1, shape: [count, 3, side, side])
    let labels = Self.labels(3, count, classes: classes)
    let asked = formula(salt: 2, shape: [fixture.testImages, 3, side, side])
    let answers = Self.labels(4, fixture.testImages, classes: classes)
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.testEvery) = (3, fixture.batch, 1)
    (settings.backboneRate, settings.classifierRate) = (expected.lr, expected.lrClassifier)
    settings.weightDecay = expected.weightDecay
    settings.schedule = expected.milestones.map { .milestones($0) } ?? .cosine
    if let layerDecay = expected.layerDecay {
      (settings.optimizer, settings.layerDecay, settings.decaysAll) = (.adamw, layerDecay, false)
      settings.labelSmoothing = try #require(expected.smoothing)
      settings.warmUpEpochs = try #require(expected.warmupEpochs)
      settings.leastRate = try #require(expected.minLr)
    }
    let network = Self.makeNetwork(classes: classes)
    var logits: [Double] = []

    let trial = try settings.train(network, classes: classes, batchesPerEpoch: count / fixture.batch) {
      epoch, learn in
      let order = (0..<count).map { (7 * $0 + 5 * epoch) % count }
      for index in 0..<count / fixture.batch {
        let rows = Array(order[index * fixture.batch..<(index + 1) * fixture.batch])
        try learn(
          LabelledBatch(
            images: images.indexSelected(Tensor(rows)), labels: rows.map { labels[$0] }, index: index))
      }
    } test: {
      #expect(!network.isTraining)
      let found = withNoGrad { network(asked) }
      logits = found.array(of: Double.self)
      var score = ClassificationScore(classes: classes)
      score.add(logits: found.to(.float32), labels: answers)
      return score
    }

    #expect(trial.divergedIn == nil && !network.isTraining)
    #expect(trial.epochs.count == 3 && expected.epochs.count == 3)
    // Six steps in float64, where two correct programs agree to about 1e-12 before the network amplifies it. Soft labels
    // are float32: 1e-9, and AdamW's steps do not shrink with small gradients.
    let tolerance = expected.smoothing == nil ? 1e-8 : 1e-6
    for (found, expected) in zip(trial.epochs, expected.epochs) {
      #expect(abs(found.loss - expected.loss) < tolerance && abs(found.top1 - expected.top1) < 1e-9)
    }
    #expect(logits.count == fixture.testImages * classes && expected.logits.count == logits.count)
    #expect(zip(logits, expected.logits).allSatisfy { abs($0 - $1) < tolerance })
    #expect(expected.norms.count == network.state.count && expected.norms.count > 50)
    for entry in network.state {
      let norm = try #require(expected.norms[entry.name])
      let found = entry.tensor.to(.float64).norm().item()
      #expect(abs(found - norm) <= tolerance * max(1, norm), "\(entry.name): \(found), not \(norm)")
    }
  }

  @Test func aRateThatIsTooHighEndsTheTrial() throws {
    let network = Self.makeNetwork(classes: 3)
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.testEvery) = (4, 8, 1)
    settings.classifierRate = 1e308
    var tests = 0
    let trial = try settings.train(network, classes: 3) { _, learn in
      for _ in 0..<3 {
        try learn(
          LabelledBatch(images: formula(salt: 1, shape: [8, 3, 8, 8]), labels: [0, 1, 2, 0, 1, 2, 0, 1]))
      }
    } test: {
      tests += 1
      return ClassificationScore(classes: 3)
    }
    #expect(trial.divergedIn == 1 && trial.epochs.isEmpty && trial.best == nil && tests == 0)
  }

  @Test func testsComeAsOftenAsAskedAndAtTheEnd() throws {
    let network = Self.makeNetwork(classes: 3)
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.testEvery) = (5, 4, 2)
    let trial = try settings.train(network, classes: 3) { _, learn in
      try learn(LabelledBatch(images: formula(salt: 1, shape: [4, 3, 8, 8]), labels: [0, 1, 2, 0]))
    } test: {
      ClassificationScore(classes: 3)
    }
    #expect(trial.epochs.map(\.epoch) == [2, 4, 5])
  }
}

/// Which labels are shown.
@Suite struct LabelChoiceTests {
  @Test func aShareIsBalancedOverClassesOfAnySize() {
    // 100, 50, 10 and 1 images; the third class is not there.
    let labels = [(0, 100), (1, 50), (3, 10), (4, 1)].flatMap { Array(repeating: $0.0, count: $0.1) }
    func counts(_ share: Double, seed: UInt64 = 1) -> [Int] {
      let chosen = LabelSubset.draw(share, labels: labels, classes: 5, seed: seed)
      #expect(Set(chosen).count == chosen.count && chosen == chosen.sorted())
      return (0..<5).map { label in chosen.count { labels[$0] == label } }
    }
    #expect(counts(0.001) == [1, 1, 0, 1, 1], "at least one of each")
    #expect(counts(0.1).reduce(0, +) == 16)
    #expect(counts(0.1) == [5, 5, 0, 5, 1], "the small class gives all it has")
    #expect(counts(0.5) == [35, 35, 0, 10, 1])
    #expect(counts(1) == [100, 50, 0, 10, 1])
    let uneven = counts(18.0 / 161)
    #expect(uneven.reduce(0, +) == 18 && uneven.sorted() == [0, 1, 5, 6, 6])
  }

  @Test func theSeedDecidesWhichAreChosen() {
    let labels = (0..<200).map { $0 % 4 }
    func draw(_ seed: UInt64) -> [Int] { LabelSubset.draw(0.1, labels: labels, classes: 4, seed: seed) }
    #expect(draw(1).count == 20)
    #expect(draw(1) == draw(1) && draw(1) != draw(2))
    // Classes are drawn apart: not the same places of each.
    let places = (0..<4).map { label in draw(1).filter { labels[$0] == label }.map { $0 / 4 } }
    #expect(Set(places).count == 4)
  }

  @Test func aListNamesPathsOrFiles() throws {
    let path = temporaryFolder() + "/labels.txt"
    func read(_ text: String) throws -> [Int] {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return try LabelSubset.read(path, names: ["a/1.png", "a/2.png", "b/1.png", "b/3.png"])
    }
    #expect(try read("b/1.png\n3.png\r\n\n a/1.png \na/1.png\n") == [0, 2, 3])
    let cases = [
      "2.png\n9.png": "line 2: there is no training image 9.png.",
      "1.png": "line 1: 2 training images are named 1.png.",
    ]
    for (text, reason) in cases {
      let error = #expect(throws: UsageError.self) { try read(text) }
      #expect(
        error?.description
          == "--labels \(path): \(reason) Give paths as they are in the training set, such as a/1.png.")
    }
    #expect(throws: UsageError("--labels \(path): the list is empty.")) { try read("\n") }
    #expect(
      throws: UsageError(
        "--labels /none.txt: the file cannot be read as text. Give a list with the path of a training image in each line."
      )
    ) {
      try LabelSubset.read("/none.txt", names: [])
    }
  }

  @Test func sharesAndListsAreWrittenAsPeopleDo() {
    #expect(LabelSubset("1%") == .share(0.01) && LabelSubset("0.1") == .share(0.1))
    #expect(LabelSubset("100%") == .all && LabelSubset("x/1percent.txt") == .list("x/1percent.txt"))
    for wrong in ["", "0%", "101%", "-1%", "ten", "1.2"] { #expect(LabelSubset(wrong) == nil, "\(wrong)") }
    #expect(LabelSubset.share(0.01).description == "1%")
  }
}

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
    func tuning() throws -> FineTuning {
      try self.tuning(epochs: 6) { if hasAll { Self.everything(&$0) } }
    }
    let whole = try tuning().run(from: encoder.network)
    for last in [2, 4] {
      #expect(throws: Broken.self) {
        try tuning().run(from: encoder.network, keptIn: folder, identity: "a") { trial in
          if trial.last?.epoch == last { throw Broken() }
        }
      }
    }
    let resumed = try tuning().run(from: encoder.network, keptIn: folder, identity: "a")
    #expect(resumed.network.checksums == whole.network.checksums)
    #expect(resumed.trial.epochs == whole.trial.epochs && resumed.trial.best == whole.trial.best)
    // Nothing is left to do but the test.
    let again = try tuning().run(from: encoder.network, keptIn: folder, identity: "a")
    #expect(again.network.checksums == whole.network.checksums)
    #expect(again.trial.epochs == whole.trial.epochs && again.trial.lastScore == whole.trial.lastScore)

    let refusal = UsageError(
      "--checkpoints \(folder): the folder belongs to another run: other options, images or first weights. Choose "
        + "another folder, or repeat that run's command to continue it.")
    #expect(throws: refusal) {
      try tuning().run(from: encoder.network, keptIn: folder, identity: "b")
    }
    #expect(throws: refusal, "other first weights") {
      try tuning().run(from: nil, keptIn: folder, identity: "a")
    }
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
