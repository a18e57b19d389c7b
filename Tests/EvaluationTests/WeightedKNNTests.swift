import Foundation
import Testing
import Torch
@testable import Evaluation

@Suite struct WeightedKNNTests {
  // MARK: - Oracle

  /// Labelled points in plain Swift, drawn around one centre a class.
  private struct Points {
    var rows: [[Double]]
    var labels: [Int]

    init(_ count: Int, classes: Int, width: Int, spread: Double, seed: UInt64) {
      var centres = CounterGenerator(seed: 99, .weights)
      let middle = (0..<classes).map { _ in (0..<width).map { _ in centres.uniform(-1...1) } }
      var generator = CounterGenerator(seed: seed, .weights)
      labels = (0..<count).map { _ in generator.index(below: classes) }
      rows = labels.map { label in middle[label].map { $0 + generator.uniform(-spread...spread) } }
    }

    var features: LabelledFeatures {
      let values = rows.joined().map(Float.init)
      return LabelledFeatures(
        features: Tensor(values, shape: [rows.count, rows[0].count]), labels: labels)
    }
  }

  private static func cosine(_ a: [Double], _ b: [Double]) -> Double {
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
  }

  /// Section 3.4 word for word, one query at a time, in double precision.
  private static func bruteForce(
    _ bank: Points, _ queries: Points, k: Int, temperature: Double, classes: Int
  ) -> (top1: Double, top5: Double, predictions: [Int]) {
    var ranks: [Int] = []
    var predictions: [Int] = []
    for (query, label) in zip(queries.rows, queries.labels) {
      let similar = bank.rows.indices.map { ($0, cosine(query, bank.rows[$0])) }
      let nearest = similar.sorted { $0.1 > $1.1 }.prefix(k)
      var votes = [Double](repeating: 0, count: classes)
      for (row, similarity) in nearest { votes[bank.labels[row]] += exp(similarity / temperature) }
      let order = (0..<classes).filter { votes[$0] > 0 }.sorted { votes[$0] > votes[$1] }
      predictions.append(order[0])
      ranks.append(order.firstIndex(of: label) ?? classes)
    }
    func percent(below rank: Int) -> Double {
      100 * Double(ranks.filter { $0 < rank }.count) / Double(ranks.count)
    }
    return (percent(below: 1), percent(below: 5), predictions)
  }

  // MARK: - Tests

  @Test(arguments: [(200, 0.1), (7, 0.1), (1, 0.07), (50, 1)])
  func agreesWithBruteForce(k: Int, temperature: Double) throws {
    let classes = 8
    let bank = Points(300, classes: classes, width: 6, spread: 1.2, seed: 1)
    let queries = Points(90, classes: classes, width: 6, spread: 1.2, seed: 2)
    let expected = Self.bruteForce(bank, queries, k: k, temperature: temperature, classes: classes)
    let result = try WeightedKNN(k: k, temperature: temperature)
      .evaluate(bank: bank.features, queries: queries.features, classes: classes)
    #expect(result.predictions.count == 90)
    #expect(result.predictions == expected.predictions)
    #expect(result.top1 == expected.top1)
    #expect(result.top5 == expected.top5)
    // The task is neither trivial nor hopeless, or the comparison would say little.
    #expect((30.0...95).contains(result.top1))
  }

  /// Threads take 256 queries at a time.
  @Test func manyQueriesKeepTheirOrder() throws {
    let bank = Points(50, classes: 9, width: 6, spread: 1.2, seed: 1)
    let queries = Points(700, classes: 9, width: 6, spread: 1.2, seed: 2)
    let expected = Self.bruteForce(bank, queries, k: 7, temperature: 0.1, classes: 9)
    let result = try WeightedKNN(k: 7).evaluate(bank: bank.features, queries: queries.features, classes: 9)
    #expect(result.predictions == expected.predictions)
    #expect(result.top1 == expected.top1 && result.top5 == expected.top5)
  }

  @Test func severalVotingsShareOneSearchAndEachAgreesWithBruteForce() throws {
    let classes = 8
    let bank = Points(120, classes: classes, width: 6, spread: 1.2, seed: 1)
    let queries = Points(30, classes: classes, width: 6, spread: 1.2, seed: 2)
    let votings = WeightedKNN.KNNSettings.all(k: [60, 1, 20, 1000], temperature: [0.07, 5])
    let results = try WeightedKNN.evaluate(
      votings, bank: bank.features, queries: queries.features, classes: classes)
    #expect(votings.count == 8 && results.count == 8)
    for (voting, result) in zip(votings, results) {
      let expected = Self.bruteForce(
        bank, queries, k: voting.k, temperature: voting.temperature, classes: classes)
      #expect(result.predictions == expected.predictions, "\(voting)")
      #expect(result.top1 == expected.top1 && result.top5 == expected.top5, "\(voting)")
    }
    #expect(Set(results.map(\.predictions)).count > 3, "votings that all agree would prove little")
  }

  @Test func severalVotingsThatLeaveOneOutEqualEachAlone() throws {
    let all = Points(60, classes: 5, width: 6, spread: 1.2, seed: 5).features
    let votings = WeightedKNN.KNNSettings.all(k: [3, 9, 59, 200], temperature: [0.1])
    let together = try WeightedKNN.evaluate(
      votings, bank: all, queries: all, classes: 5, leavingOneOut: true)
    #expect(together.count == 4)
    for (voting, result) in zip(votings, together) {
      let alone = try WeightedKNN(k: voting.k, temperature: voting.temperature)
        .evaluate(bank: all, queries: all, classes: 5, leavingOneOut: true)
      #expect(result == alone, "\(voting)")
    }
  }

  @Test func leavingOneOutEqualsAskingEveryRowAmongTheRest() throws {
    let all = Points(60, classes: 5, width: 6, spread: 1.2, seed: 5)
    let search = WeightedKNN(k: 9)
    let expected = all.rows.indices.map { left -> Int in
      var (rest, one) = (all, all)
      rest.rows.remove(at: left)
      rest.labels.remove(at: left)
      (one.rows, one.labels) = ([all.rows[left]], [all.labels[left]])
      return Self.bruteForce(rest, one, k: 9, temperature: 0.1, classes: 5).predictions[0]
    }
    let result = try search.evaluate(
      bank: all.features, queries: all.features, classes: 5, leavingOneOut: true)
    #expect(result.predictions.count == 60)
    #expect(result.predictions == expected)
    let others = try search.others(of: all.features.features, in: all.features.features)
    #expect(others.indices.count == 60)
    #expect(others.indices.enumerated().allSatisfy { $1.count == 9 && !$1.contains($0) })
  }

  @Test func neighboursAreTheMostSimilarInOrder() throws {
    let bank = Points(120, classes: 4, width: 5, spread: 1, seed: 3)
    let queries = Points(11, classes: 4, width: 5, spread: 1, seed: 4)
    let found = try WeightedKNN(k: 9).neighbours(of: queries.features.features, in: bank.features.features)
    #expect(found.indices.count == 11 && found.similarities.count == 11)
    for (query, row) in queries.rows.enumerated() {
      let similar = bank.rows.indices.map { ($0, Self.cosine(row, bank.rows[$0])) }.sorted { $0.1 > $1.1 }
      #expect(found.indices[query] == similar.prefix(9).map(\.0))
      // Products of unit vectors in float32 carry errors of a few 2^-24.
      #expect(zip(found.similarities[query], similar).allSatisfy { abs(Double($0) - $1.1) < 1e-6 })
    }
  }

  @Test func aSmallBankVotesAsAWhole() throws {
    let bank = LabelledFeatures(features: Tensor([1, 0, 0, 1] as [Float], shape: [2, 2]), labels: [1, 0])
    let queries = LabelledFeatures(features: Tensor([3, 1] as [Float], shape: [1, 2]), labels: [0])
    let knn = WeightedKNN(k: 200)
    #expect(try knn.neighbours(of: queries.features, in: bank.features).indices == [[0, 1]])
    let result = try knn.evaluate(bank: bank, queries: queries, classes: 2)
    #expect(result == .init(top1: 0, top5: 100, predictions: [1]))
  }

  /// Unit vectors of four halves: every product is exact, so equal similarities are equal.
  private func halves(_ signs: [[Float]]) -> Tensor {
    Tensor(signs.joined().map { $0 }, shape: [signs.count, 4])
  }

  @Test func ofEqualSimilaritiesTheLowerRowIsNearer() throws {
    let near: [Float] = [1, 1, 1, -1]
    let far: [Float] = [1, -1, -1, 1]
    let bank = halves(
      [far, near, far, near, near, far, [1, 1, 1, 1], near] + Array(repeating: far, count: 50))
    let query = halves([[1, 1, 1, 1]])
    let order = [6, 1, 3, 4, 7, 0, 2, 5] + Array(8..<58)
    for k in 1...58 {
      let found = try WeightedKNN(k: k).neighbours(of: query, in: bank)
      #expect(found.indices == [Array(order.prefix(k))])
      #expect(
        found.similarities == [Array(([1, 0.5, 0.5, 0.5, 0.5] + Array(repeating: 0, count: 53)).prefix(k))])
    }
  }

  @Test func ofEqualVotesTheLowerClassWins() throws {
    let bank = LabelledFeatures(
      features: halves(Array(repeating: [1, 1, 1, -1], count: 6)), labels: [2, 1, 2, 1, 0, 3])
    let queries = LabelledFeatures(features: halves([[1, 1, 1, 1]]), labels: [2])
    #expect(try WeightedKNN(k: 6).evaluate(bank: bank, queries: queries, classes: 4).predictions == [1])
    // The four nearest of the equal ones are the four lowest rows.
    #expect(try WeightedKNN(k: 3).evaluate(bank: bank, queries: queries, classes: 4).predictions == [2])
  }

  /// exp(−0.5/10⁻⁴) is 0 in float64.
  @Test(arguments: [(3, 100.0), (2, 100), (1, 0)]) func aVoteOfZeroIsAVote(label: Int, top5: Double) throws {
    let bank = LabelledFeatures(features: halves([[1, 1, 1, -1], [1, 1, 1, 1]]), labels: [2, 3])
    let queries = LabelledFeatures(features: halves([[1, 1, 1, 1]]), labels: [label])
    let result = try WeightedKNN(k: 2, temperature: 1e-4).evaluate(bank: bank, queries: queries, classes: 4)
    #expect(result == .init(top1: label == 3 ? 100 : 0, top5: top5, predictions: [3]))
  }

  /// What a collapsed encoder gives: nothing to tell the images apart, and no trap.
  @Test func equalFeaturesGiveTheFirstRows() throws {
    let bank = LabelledFeatures(features: .ones([500, 8]), labels: (0..<500).map { $0 % 10 })
    let queries = LabelledFeatures(features: .zeros([20, 8]), labels: Array(repeating: 9, count: 20))
    let result = try WeightedKNN(k: 15).evaluate(bank: bank, queries: queries, classes: 10)
    #expect(result == .init(top1: 0, top5: 0, predictions: Array(repeating: 0, count: 20)))
  }

  @Test func anyNumberOfNeighboursMayBeAskedFor() throws {
    let points = Points(12, classes: 3, width: 4, spread: 1, seed: 7).features
    let all = try WeightedKNN(k: 11).others(of: points.features, in: points.features)
    #expect(try WeightedKNN(k: .max).others(of: points.features, in: points.features) == all)
    #expect(all.indices.allSatisfy { $0.count == 11 })
  }

  @Test func aTinyTemperatureDoesNotOverflow() throws {
    let points = Points(60, classes: 3, width: 4, spread: 1, seed: 7)
    let result = try WeightedKNN(k: 60, temperature: 1e-4)
      .evaluate(bank: points.features, queries: points.features, classes: 3)
    #expect(result.top1 == 100)  // each is its own nearest
  }

  @Test func takesFeaturesOfAnyPrecision() throws {
    let bank = Points(40, classes: 3, width: 4, spread: 1, seed: 5).features
    let knn = WeightedKNN(k: 5)
    let expected = try knn.neighbours(of: bank.features, in: bank.features)
    #expect(try knn.neighbours(of: bank.features.to(.float64), in: bank.features.to(.float64)) == expected)
    #expect(try knn.neighbours(of: bank.features.to(.bfloat16), in: bank.features).indices.count == 40)
  }

  @Test func featuresThatAreNotNumbersAreSaid() throws {
    let good = Tensor.ones([2, 2])
    let bad = Tensor([1, .nan, 0, 1] as [Float], shape: [2, 2])
    #expect(throws: EvaluationError.notFinite("bank")) { try WeightedKNN().neighbours(of: good, in: bad) }
    #expect(throws: EvaluationError.notFinite("queries")) { try WeightedKNN().neighbours(of: bad, in: good) }
    #expect(
      EvaluationError.notFinite("bank").description
        == "the features of the bank hold infinite values or NaN: the encoder diverged. "
        + "Use an earlier checkpoint, or train with a smaller --lr.")
  }
}
