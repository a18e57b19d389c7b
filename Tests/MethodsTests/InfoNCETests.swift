import Foundation
import Methods
import TestSupport
import Testing
import Torch

/// The loss and its gradient once more, in plain Swift.
private struct ClosedForm {
  var loss = 0.0
  var logits: [Double] = []
  var gradientOfQ: [Double] = []
  var gradientOfK: [Double] = []

  /// L = −(1/N) Σᵢ log pᵢ₀ with pᵢ = softmax(qᵢ·[kᵢ, n₁ … n_K] / τ), so
  /// dL/dqᵢ = (Σⱼ pᵢⱼ·keyⱼ − kᵢ) / (N·τ) and dL/dkᵢ = (pᵢ₀ − 1)·qᵢ / (N·τ).
  init(q: [[Double]], k: [[Double]], negatives: [[Double]], temperature: Double) {
    let scale = 1 / (Double(q.count) * temperature)
    for (query, positive) in zip(q, k) {
      let keys = [positive] + negatives
      let row = keys.map { key in zip(query, key).map(*).reduce(0, +) / temperature }
      let total = row.map { exp($0) }.reduce(0, +)
      let shares = row.map { exp($0) / total }
      loss -= log(shares[0]) / Double(q.count)
      logits += row
      for c in query.indices {
        let mean = zip(shares, keys).map { $0 * $1[c] }.reduce(0, +)
        gradientOfQ.append(scale * (mean - positive[c]))
        gradientOfK.append(scale * (shares[0] - 1) * query[c])
      }
    }
  }
}

@Suite struct ContrastiveLoss {
  private func rows(_ tensor: Tensor) -> [[Double]] {
    let width = tensor.shape[1], values = tensor.array(of: Double.self)
    return (0..<tensor.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  private func isClose(_ a: [Double], _ b: [Double]) -> Bool {
    // A few dozen roundings of numbers up to 1 / τ.
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-12 }
  }

  @Test(arguments: [(1, 1, 0.07), (3, 5, 0.07), (4, 17, 0.2), (2, 3, 1.0)])
  func lossLogitsAndGradientsAreTheClosedForm(n: Int, k: Int, temperature: Double) {
    let query = l2Normalized(formula(salt: 1, shape: [n, 6])).clone()
    let key = l2Normalized(formula(salt: 2, shape: [n, 6])).clone()
    let negatives = l2Normalized(formula(salt: 3, shape: [k, 6]))
    let expected = ClosedForm(
      q: rows(query), k: rows(key), negatives: rows(negatives), temperature: temperature)
    query.requiresGrad = true
    key.requiresGrad = true
    let (loss, logits) = InfoNCE(temperature: temperature)(query, key, negatives: negatives)
    loss.backward()
    #expect(loss.shape == [] && logits.shape == [n, 1 + k])
    #expect(isClose([loss.item()], [expected.loss]))
    #expect(isClose(logits.array(), expected.logits))
    #expect(isClose(query.gradient?.array() ?? [], expected.gradientOfQ))
    #expect(isClose(key.gradient?.array() ?? [], expected.gradientOfK))
  }

  @Test(arguments: [1, 64, 4096])
  func whoCannotTellKeysApartHasTheChanceLoss(count: Int) {
    let query = Tensor([1.0, 0], shape: [1, 2]), key = Tensor([0.0, 1], shape: [1, 2])
    let negatives = Tensor([0.0, -1], shape: [1, 2]).expanded([count, 2])
    let loss = InfoNCE(temperature: 0.07)(query, key, negatives: negatives).loss.item()
    #expect(abs(loss - InfoNCE.chanceLoss(negatives: count)) < 1e-12)
    #expect(abs(loss - log(Double(count + 1))) < 1e-12)
  }

  /// Negatives drawn evenly over the sphere; every key is its query.
  @Test(arguments: [(4096, 128, 0.2), (16384, 64, 0.1), (65536, 128, 0.07)])
  func theLossAmongEvenNegativesIsWhatIsExpected(count: Int, dimension: Int, temperature: Double) {
    let generator = Generator(seed: 1)
    let negatives = l2Normalized(.normal([count, dimension], using: generator))
    let query = l2Normalized(.normal([64, dimension], using: generator))
    let loss = InfoNCE(temperature: temperature)(query, query, negatives: negatives).loss.item()
    let expected = InfoNCE.uniformLoss(negatives: count, dimension: dimension, temperature: temperature)
    // The Gaussian leaves out 1/(4C³τ⁴), here up to 0.01 of the mean; the mean over 64·K draws is that exact too.
    #expect(abs(loss - expected) < 0.03 * expected)
  }
}

@Suite struct PretextAccuracy {
  private func accuracy(_ logits: [[Double]]) -> ContrastAccuracy {
    ContrastAccuracy(logits: Tensor(logits.flatMap { $0 }, shape: [logits.count, logits[0].count]))
  }

  @Test func thePositiveMustBeAboveAllNegativesOrAllButFour() {
    let found = accuracy([
      [9, 1, 2, 3, 4, 5, 6, 7],  // first
      [4.5, 1, 2, 3, 4, 5, 6, 7],  // fourth
      [2.5, 1, 2, 3, 4, 5, 6, 7],  // sixth
      [3.5, 1, 2, 3, 4, 5, 6, 7],  // fifth
    ])
    #expect(found == ContrastAccuracy(top1: 0.25, top5: 0.75))
  }

  @Test func tiesCountAgainstThePositive() {
    #expect(accuracy([[7, 7, 2, 3, 4, 5, 6]]) == ContrastAccuracy(top1: 0, top5: 1))
    #expect(accuracy([[6, 6, 6, 6, 6, 6, 0]]) == ContrastAccuracy(top1: 0, top5: 0))
  }

  @Test(arguments: [0.0, 1, .nan, .infinity])
  func anEncoderThatCollapsedFindsNothing(value: Double) {
    let rows = Array(repeating: Array(repeating: value, count: 9), count: 4)
    #expect(accuracy(rows) == ContrastAccuracy(top1: 0, top5: 0))
  }

  @Test func aGraphDoesNotMatter() {
    let logits = Tensor([2.0, 1], shape: [1, 2])
    logits.requiresGrad = true
    #expect(ContrastAccuracy(logits: logits).top1 == 1)
  }
}
