import Files
import Foundation
import TestSupport
import Testing
import Torch
import Weights
@testable import Evaluation

@Suite(.serialized) struct LinearEvaluationTests {
  private let encoder: TrainedEncoder
  private let train: String
  private let test: String

  init() throws {
    encoder = try makeTrainedEncoder()
    train = try makeColourFolder(imagesPerClass: 20)
    test = try makeColourFolder(imagesPerClass: 8, seed: 4)
  }

  private func set(_ path: String) throws -> EvaluationData {
    try EvaluationData(path, split: .train, input: .small)
  }

  private func measure(
    cached: Bool, train: String? = nil, test: String? = nil, batch: Int = 16, epochs: Int = 12
  ) throws -> LinearEvaluation.Outcome {
    var settings = LinearProtocol.v1
    (settings.epochs, settings.batchSize, settings.schedule) = (epochs, batch, .cosine)
    return try LinearEvaluation(
      train: set(train ?? self.train), test: set(test ?? self.test), settings: settings, cached: cached,
      device: .cpu
    ).run(encoder.network)
  }

  @Test(arguments: [false, true])
  func classesOfDifferentColourAreTold(cached: Bool) throws {
    let outcome = try measure(cached: cached)
    #expect(outcome.trainImages == 60 && outcome.testImages == 24 && outcome.trials.count == 1)
    let trial = try #require(outcome.trials.first)
    #expect(trial.epochs.map(\.epoch) == Array(1...12))
    // A third by chance; the colours are far apart even for a random network.
    #expect(try #require(trial.best).top1 > 90)
    #expect(try #require(trial.bestScore).count == 24)
  }

  @Test(arguments: [false, true])
  func theEncoderStaysAsItIsToTheBit(cached: Bool) throws {
    encoder.network.train()
    let before = encoder.network.state.map { $0.tensor.withUnsafeBytes { Array($0) } }
    let outcome = try measure(cached: cached, epochs: 2)
    #expect(before.count > 50 && outcome.unchangedTensors == before.count)
    #expect(encoder.network.state.map { $0.tensor.withUnsafeBytes { Array($0) } } == before)
    #expect(encoder.network.isTraining, "the mode comes back")
  }

  @Test func theCheckSeesOneChangedNumberInAnyTensor() throws {
    let before = encoder.network.checksums
    for entry in encoder.network.state where entry.tensor.dtype.isFloatingPoint {
      let kept = entry.tensor.detached().clone()
      let first = entry.tensor.shape.reduce(entry.tensor.detached()) { part, _ in part.selected(0) }
      withNoGrad { first.fill(0.123) }
      #expect(encoder.network.checksums != before, "\(entry.name)")
      withNoGrad { entry.tensor.copy(from: kept) }
    }
    #expect(encoder.network.checksums == before)
  }

  @Test func aRunIsRepeatable() throws {
    for cached in [false, true] {
      let first = try measure(cached: cached, epochs: 2).trials[0].epochs
      #expect(try measure(cached: cached, epochs: 2).trials[0].epochs == first)
    }
  }

  @Test func whatCannotBeMeasuredIsSaid() throws {
    let flat = temporaryFolder()
    for number in 0..<20 {
      try FileManager.default.copyItem(
        atPath: String(format: "%@/red/%03d.png", train, number), toPath: "\(flat)/\(number).png")
    }
    let unlabelled = #expect(throws: UsageError.self) { try measure(cached: true, train: flat) }
    #expect(
      unlabelled?.description.hasSuffix(
        ": the linear protocol needs labels, and these are images without classes. "
          + "Give class folders, a list with labels, or shards with labels.") == true)
    let two = try makeImageFolder(classes: 2, imagesPerClass: 10)
    let other = #expect(throws: UsageError.self) { try measure(cached: true, test: two) }
    #expect(
      other?.description.hasSuffix(
        " lacks 3 of 3: blue, green, red; \(train) lacks 2 of 2: class0, class1. Give sets with the same classes."
      ) == true,
      "\(other?.description ?? "")")
    let large = #expect(throws: UsageError.self) { try measure(cached: false, batch: 61) }
    #expect(
      large?.description
        == "--batch-size 61: there are only 60 training images. Use a smaller batch, or more images.")
  }

  @Test func theConfusionMatrixIsATableOfNames() throws {
    var score = ClassificationScore(classes: 2)
    score.add(logits: Tensor([1, 0, 1, 0, 0, 1] as [Float], shape: [3, 2]), labels: [0, 1, 1])
    let path = temporaryFolder() + "/confusion.csv"
    try score.writeConfusion(to: path, classes: ["cat, tabby", "dog \"rex\""])
    #expect(
      try String(contentsOfFile: path, encoding: .utf8) == """
        class,"cat, tabby","dog ""rex""\"
        "cat, tabby",1,0
        "dog ""rex\""",1,1

        """)
    let error = #expect(throws: FileError.self) {
      try score.writeConfusion(to: "/nonexistent/a.csv", classes: ["a", "b"])
    }
    #expect(
      error?.description
        == "cannot open /nonexistent/a.csv: there is no such file or folder. Check the path.")
  }
}
