import Foundation
import Testing
import Torch
@testable import Evaluation

@Suite struct LinearProtocolTests {
  // MARK: - PyTorch

  private struct Fixture: Decodable {
    struct Case: Decodable {
      struct Epoch: Decodable {
        let loss: Double
        let top1: Double
        let top5: Double
      }
      let lr: Double
      let weightDecay: Double
      let milestones: [Int]?
      let epochs: [Epoch]
      let weight: [Double]
      let bias: [Double]
    }
    let rows: Int
    let testRows: Int
    let width: Int
    let classes: Int
    let batch: Int
    let seed: UInt64
    let cases: [Case]
  }

  private static func fixture() throws -> Fixture {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/linear.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Fixture.self, from: Data(contentsOf: url))
  }

  /// u(salt, i) in [−1, 1), as in the fixture's script.
  private static func u(_ salt: Int, _ count: Int) -> [Double] {
    (0..<count).map { i in
      var z = UInt64(salt) << 32 &+ UInt64(i) &+ 0x9E37_79B9_7F4A_7C15
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      z ^= z >> 31
      return Double(z >> 40) / 0x1p23 - 1
    }
  }

  private static func images(_ fixture: Fixture, features: Int, labels: Int, rows: Int) -> LabelledFeatures {
    LabelledFeatures(
      features: Tensor(
        u(features, rows * fixture.width).map { Float(max(0, $0)) }, shape: [rows, fixture.width]),
      labels: u(labels, rows).map { Int((($0 + 1) / 2 * Double(fixture.classes)).rounded(.down)) })
  }

  @Test(arguments: 0..<3)
  func threeEpochsGiveTheWeightsOfPyTorch(number: Int) throws {
    let fixture = try Self.fixture()
    #expect(fixture.cases.count == 3)
    let expected = fixture.cases[number]
    let train = Self.images(fixture, features: 1, labels: 3, rows: fixture.rows)
    let test = Self.images(fixture, features: 2, labels: 4, rows: fixture.testRows)
    var settings = LinearProtocol.v1
    settings.epochs = 3
    settings.batchSize = fixture.batch
    settings.learningRate = expected.lr
    settings.weightDecay = expected.weightDecay
    settings.schedule = expected.milestones.map { .milestones($0) } ?? .cosine
    settings.seed = fixture.seed
    let trials = try settings.train(classes: fixture.classes, test: test) { epoch, learn in
      let order = (0..<fixture.rows).map { (7 * $0 + 5 * epoch) % fixture.rows }
      for start in stride(from: 0, through: fixture.rows - fixture.batch, by: fixture.batch) {
        let rows = Array(order[start..<start + fixture.batch])
        try learn(
          LabelledFeatures(
            features: train.features.indexSelected(Tensor(rows)), labels: rows.map { train.labels[$0] }))
      }
    }
    #expect(trials.count == 1)
    let trial = try #require(trials.first)
    let weight = trial.probe.classifier.weight.tensor.array(of: Double.self)
    let bias = try #require(trial.probe.classifier.bias).tensor.array(of: Double.self)
    #expect(weight.count == 84 && expected.weight.count == 84)
    #expect(bias.count == 7 && expected.bias.count == 7)
    // Nine steps in float32 on weights below 1, whose rounding errors are 6e-8 each.
    #expect(zip(weight, expected.weight).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(bias, expected.bias).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(trial.epochs.count == 3 && trial.divergedIn == nil)
    for (found, expected) in zip(trial.epochs, expected.epochs) {
      #expect(abs(found.loss - expected.loss) < 1e-4)
      #expect(abs(found.top1 - expected.top1) < 1e-9 && abs(found.top5 - expected.top5) < 1e-9)
    }
    #expect(trial.best?.top1 == trial.epochs.map(\.top1).max() && trial.last?.epoch == 3)
  }

  // MARK: - Settings

  @Test func theRecipesSayWhatThePapersSay() {
    let v1 = LinearProtocol.v1
    #expect(v1.epochs == 100 && v1.batchSize == 256 && v1.learningRate == 30 && v1.weightDecay == 0)
    let rates = [0, 59, 60, 79, 80, 99].map {
      v1.schedule.rate(base: v1.learningRate, epoch: Double($0), epochs: v1.epochs)
    }
    #expect(zip(rates, [30, 30, 3, 3, 0.3, 0.3]).allSatisfy { abs($0 - $1) < 1e-12 })
    let v3 = LinearProtocol.v3
    #expect(v3.epochs == 90 && v3.learningRate == 0.1 && v3.schedule == .cosine && v3.momentum == 0.9)
  }

  @Test func theLearningRateFollowsTheBatch() {
    var settings = LinearProtocol.v1
    #expect(settings.scaled(30) == 30)
    settings.batchSize = 1024
    #expect(settings.scaled(0.1) == 0.4)
  }

  // MARK: - Learning

  /// Two classes on the two sides of a line.
  private func halves(_ count: Int, seed: UInt64) -> LabelledFeatures {
    var generator = CounterGenerator(seed: seed, .weights)
    var values: [Float] = []
    var labels: [Int] = []
    for _ in 0..<count {
      let (x, y) = (generator.uniform(-1...1), generator.uniform(-1...1))
      values += [Float(x), Float(y)]
      labels.append(x + 2 * y > 0.1 ? 1 : 0)
    }
    return LabelledFeatures(features: Tensor(values, shape: [count, 2]), labels: labels)
  }

  private func settings(_ change: (inout LinearProtocol) -> Void = { _ in }) -> LinearProtocol {
    var settings = LinearProtocol.v1
    (settings.epochs, settings.batchSize) = (20, 32)
    settings.schedule = .cosine
    change(&settings)
    return settings
  }

  private func train(_ settings: LinearProtocol, _ rates: [Double], on data: LabelledFeatures? = nil) throws
    -> [LinearProtocol.Trial]
  {
    let data = data ?? halves(200, seed: 1)
    return try settings.train(rates: rates, classes: 2, test: halves(400, seed: 2)) { epoch, learn in
      try data.eachBatch(of: settings.batchSize, seed: settings.seed, epoch: epoch, learn)
    }
  }

  @Test func whatALineSeparatesIsLearned() throws {
    let trial = try #require(try train(settings(), [30]).first)
    // 200 points leave the line unknown by about 1 %; 95 leaves room.
    #expect(try #require(trial.last).top1 > 95)
    #expect(try #require(trial.bestScore).count == 400)
  }

  @Test func aDivergedLearningRateIsReportedAndTheOthersGoOn() throws {
    // Decay times rate above 2 makes every step overshoot: weights grow by a factor until they overflow.
    let settings = settings { $0.weightDecay = 1 }
    let trials = try train(settings, [1, 1e30, 0.1])
    #expect(trials.map { $0.divergedIn != nil } == [false, true, false])
    #expect(trials[0].epochs.count == 20 && trials[2].epochs.count == 20)
    #expect(trials[1].epochs.isEmpty && trials[1].best == nil)
    let alone = try train(settings, [1])
    #expect(alone[0].epochs == trials[0].epochs, "a neighbour changed a result")
  }

  @Test func whereAllDivergeTheProtocolEnds() throws {
    var epochs = 0
    let data = halves(64, seed: 1)
    let settings = settings { $0.weightDecay = 1 }
    let trials = try settings.train(rates: [1e30], classes: 2, test: data) { epoch, learn in
      epochs += 1
      try data.eachBatch(of: 32, seed: 1, epoch: epoch, learn)
    }
    #expect(trials[0].divergedIn == epochs && epochs < 20)
  }

  @Test func equalSeedsGiveEqualResultsAndOthersOthers() throws {
    let first = try train(settings(), [1])[0].epochs
    #expect(try train(settings(), [1])[0].epochs == first)
    #expect(try train(settings { $0.seed = 2 }, [1])[0].epochs != first)
  }

  @Test func everyEpochHasItsOwnOrderOfAllRows() throws {
    let data = LabelledFeatures(features: .ones([10, 1]), labels: Array(0..<10))
    var orders: [[Int]] = []
    for epoch in 0..<3 {
      var sizes: [Int] = []
      var order: [Int] = []
      try data.eachBatch(of: 3, seed: 4, epoch: epoch) {
        sizes.append($0.count)
        order += $0.labels
      }
      #expect(sizes == [3, 3, 3] && Set(order).count == 9)
      orders.append(order)
    }
    #expect(Set(orders).count == 3)
  }

  @Test func featuresThatAreNotNumbersAreSaid() throws {
    let bad = LabelledFeatures(features: .full(.nan, [32, 2]), labels: Array(repeating: 0, count: 32))
    #expect(throws: EvaluationError.notFinite("training images")) { try train(settings(), [1], on: bad) }
    #expect(throws: EvaluationError.notFinite("test images")) {
      try settings().train(classes: 2, test: bad) { _, _ in }
    }
  }

  // MARK: - Scores

  @Test func scoresCountAsByHand() {
    var score = ClassificationScore(classes: 7)
    let logits: [Float] = [
      9, 1, 2, 3, 4, 5, 6,  // class 0: right
      9, 1, 2, 3, 4, 5, 6,  // class 3: fifth
      9, 1, 2, 3, 4, 5, 6,  // class 2: sixth
      0, 0, 0, 0, 0, 0, 0,  // class 4: all equal, so fifth
      0, 0, 0, 0, 0, 0, 0,  // class 5: sixth
      0, 8, 0, 0, 0, 0, 0,  // class 3: taken for 1
    ]
    score.add(logits: Tensor(logits, shape: [6, 7]), labels: [0, 3, 2, 4, 5, 3])
    #expect(score.count == 6)
    #expect(score.top1 == 100.0 / 6)
    #expect(score.top5 == 400.0 / 6)
    #expect(score.confusion[3] == [1, 1, 0, 0, 0, 0, 0] && score.confusion[4] == [1, 0, 0, 0, 0, 0, 0])
    let row = score.byClass[3]
    #expect(row == .init(label: 3, images: 2, top1: 0, top5: 100, mistakenFor: 0))
    #expect(score.byClass[6] == .init(label: 6, images: 0, top1: 0, top5: 0, mistakenFor: nil))
  }
}
