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

  @Test(arguments: 0..<2)
  func threeEpochsAreThoseOfPyTorch(number: Int) throws {
    let fixture = try Self.fixture()
    #expect(fixture.cases.count == 2)
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
    let network = Self.makeNetwork(classes: classes)
    var logits: [Double] = []

    let trial = try settings.train(network) { epoch, learn in
      let order = (0..<count).map { (7 * $0 + 5 * epoch) % count }
      for start in stride(from: 0, through: count - fixture.batch, by: fixture.batch) {
        let rows = Array(order[start..<start + fixture.batch])
        try learn(images.indexSelected(Tensor(rows)), rows.map { labels[$0] })
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
    // Six steps in float64, where two correct programs agree to about 1e-12 before the network amplifies it.
    for (found, expected) in zip(trial.epochs, expected.epochs) {
      #expect(abs(found.loss - expected.loss) < 1e-8 && abs(found.top1 - expected.top1) < 1e-9)
    }
    #expect(logits.count == fixture.testImages * classes && expected.logits.count == logits.count)
    #expect(zip(logits, expected.logits).allSatisfy { abs($0 - $1) < 1e-8 })
    #expect(expected.norms.count == network.state.count && expected.norms.count > 50)
    for entry in network.state {
      let norm = try #require(expected.norms[entry.name])
      let found = entry.tensor.to(.float64).norm().item()
      #expect(abs(found - norm) <= 1e-8 * max(1, norm), "\(entry.name): \(found), not \(norm)")
    }
  }

  @Test func aRateThatIsTooHighEndsTheTrial() throws {
    let network = Self.makeNetwork(classes: 3)
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.testEvery) = (4, 8, 1)
    settings.classifierRate = 1e308
    var tests = 0
    let trial = try settings.train(network) { _, learn in
      for _ in 0..<3 { try learn(formula(salt: 1, shape: [8, 3, 8, 8]), [0, 1, 2, 0, 1, 2, 0, 1]) }
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
    let trial = try settings.train(network) { _, learn in
      try learn(formula(salt: 1, shape: [4, 3, 8, 8]), [0, 1, 2, 0])
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
    labels: LabelSubset = .share(0.4), batch: Int = 8, fits: Bool = false, epochs: Int = 6
  ) throws -> FineTuning {
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize, settings.testEvery) = (epochs, batch, 2)
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
