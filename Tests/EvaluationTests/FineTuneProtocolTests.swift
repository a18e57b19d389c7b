import Data
import Foundation
import Models
import TestSupport
import Testing
import Torch
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
