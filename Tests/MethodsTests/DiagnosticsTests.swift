import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct FeatureDiagnostics {
  private func rows(_ tensor: Tensor) -> [[Double]] {
    let width = tensor.shape[1], values = tensor.array(of: Double.self)
    return (0..<tensor.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  private func squaredDistance(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).map { ($0 - $1) * ($0 - $1) }.reduce(0, +)
  }

  private func unit(salt: Int, _ shape: [Int]) -> Tensor { l2Normalized(formula(salt: salt, shape: shape)) }

  /// `count` rows each, along so many axes of `dimension`.
  private func axes(_ counts: [Int], dimension: Int) -> Tensor {
    let rows = counts.enumerated().flatMap { axis, count in
      (0..<count).flatMap { _ in (0..<dimension).map { $0 == axis ? 1.0 : 0 } }
    }
    return Tensor(rows, shape: [counts.reduce(0, +), dimension])
  }

  @Test(arguments: [(2, 3), (7, 5), (5, 7), (16, 16)])
  func alignmentAndUniformityAreTheirDefinitions(n: Int, c: Int) {
    let (q, k) = (unit(salt: 1, [n, c]), unit(salt: 2, [n, c]))
    let (queries, keys) = (rows(q), rows(k))
    let distances = zip(queries, keys).map(squaredDistance)
    let kernels = (0..<n).flatMap { i in
      (0..<i).map { exp(-2 * squaredDistance(queries[i], queries[$0])) }
    }
    #expect(kernels.count == n * (n - 1) / 2)
    let found = Diagnostics(queries: q, keys: k)
    // Sums of up to 256 float64 numbers around 1.
    #expect(abs(found.alignment - distances.reduce(0, +) / Double(n)) < 1e-12)
    #expect(abs(found.uniformity - log(kernels.reduce(0, +) / Double(kernels.count))) < 1e-12)
    #expect(found.queueAge == nil && found.queueFilled == nil && found.queueSimilarity == nil)
  }

  @Test func axesOfTheSameWeightCountOneDimensionEach() {
    let q = axes([2, 2, 2], dimension: 5)
    let found = Diagnostics(queries: q, keys: q * -1)
    #expect(found.alignment == 4)
    #expect(abs(found.featureRank - 3) < 1e-12)
    // Of 15 pairs three are the same point, and 12 lie at ‖a − b‖² = 2.
    #expect(abs(found.uniformity - log((3 + 12 * exp(-4)) / 15)) < 1e-12)
  }

  @Test(arguments: [[9, 1], [100, 1], [4, 2, 1]])
  func theRankIsTheEntropyOfTheSingularValues(counts: [Int]) {
    // Rows along an axis give it the singular value √count; a rotation changes none.
    let singular = counts.map { Double($0).squareRoot() }
    let shares = singular.map { $0 / singular.reduce(0, +) }
    let expected = exp(shares.map { -$0 * log($0) }.reduce(0, +))
    let root = formula(salt: 4, shape: [6, 6])
    let rotation = (root + root.transposed).symmetricEigen().vectors
    let q = axes(counts, dimension: 6).matmul(rotation)
    // Singular values that should be 0 are up to 1e-8 of the largest: √ of float64's rounding.
    #expect(abs(Diagnostics(queries: q, keys: q).featureRank - expected) < 1e-5)
  }

  @Test(arguments: [DType.float32, .float64])
  func aCollapseHasRankOneAndUniformityZero(dtype: DType) {
    let q = unit(salt: 3, [1, 128]).expanded([64, 128]).contiguous().to(dtype)
    let found = Diagnostics(queries: q, keys: q)
    #expect(found.alignment == 0)
    // exp(4·cos − 4), whose cosine of 128 products is exact to 1e-6 in float32.
    #expect(abs(found.uniformity) < 1e-5)
    #expect(found.featureRank >= 1 && found.featureRank < 1.001)
  }

  @Test(arguments: [1, 5, 12, 40], [1, 4, 5, 13])
  func agesAndFillingAreThoseOfARingWalkedKeyByKey(capacity: Int, keysPerStep: Int) {
    var born = [Int?](repeating: nil, count: capacity)
    var pointer = 0
    for step in 0...9 {
      var found = Diagnostics(queries: axes([1, 1], dimension: 2), keys: axes([1, 1], dimension: 2))
      found.observe(queue: unit(salt: 5, [capacity, 3]), steps: step, keysPerStep: keysPerStep)
      let ages = born.compactMap { $0.map { step - $0 } }
      #expect(found.queueFilled == Double(ages.count) / Double(capacity))
      #expect(found.queueAge == (ages.isEmpty ? nil : Double(ages.reduce(0, +)) / Double(ages.count)))
      for _ in 0..<keysPerStep {
        born[pointer] = step + 1
        pointer = (pointer + 1) % capacity
      }
    }
  }

  @Test func similarityIsTheMeanCosineOfLearnedNeighbours() throws {
    let keys = unit(salt: 6, [8, 4])
    let cosines = zip(rows(keys), rows(keys).dropFirst()).map { zip($0, $1).map(*).reduce(0, +) }
    #expect(cosines.count == 7)
    for (steps, learned) in [(1, 3), (2, 6), (9, 8)] {
      var found = Diagnostics(queries: keys, keys: keys)
      found.observe(queue: keys, steps: steps, keysPerStep: 3)
      let expected = cosines.prefix(learned - 1).reduce(0, +) / Double(learned - 1)
      #expect(abs(try #require(found.queueSimilarity) - expected) < 1e-12)
    }
  }

  /// The logits' first column is q·k / τ.
  @Test(arguments: [false, true])
  func aStepHandsOutThePositivesOfItsFirstPass(symmetric: Bool) {
    let generator = Generator(seed: 1)
    let settings = MoCo.Settings(temperature: 0.5, symmetric: symmetric)
    let method = MoCo(settings, queue: KeyQueue(capacity: 8, dimension: 16, using: generator), seed: 1) {
      EncoderSpec(arch: .resnet8, head: .linear(outputs: 16)).makeEncoder(using: generator)
    }
    let views = (0..<2).map { _ in Tensor.normal([4, 3, 16, 16], using: generator) }
    let output = method(views[0], views[1], step: 0)
    let (q, k) = output.features
    #expect(q.shape == [4, 16] && k.shape == [4, 16] && !q.requiresGrad && !k.requiresGrad)
    let cosines = (q * k).sum(dim: 1).array(of: Double.self)
    let logits = output.logits.narrowed(0..<1, dim: 1).array(of: Double.self)
    // The same 16 products in float32, divided before or after the sum.
    #expect(zip(cosines, logits).allSatisfy { abs($0 / 0.5 - $1) < 1e-5 })
  }
}
