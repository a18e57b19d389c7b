import Foundation
import TestSupport
import Testing
@testable import Torch

/// A layer's output, gradients and running statistics on one rank.
private struct Outcome: Sendable, Equatable {
  var output, inputGradient, weightGradient, biasGradient, runningMean, runningVar: [Double]

  /// - Parameter cotangent: the gradient of the loss by the output.
  init(_ x: Tensor, cotangent: Tensor, weight: Tensor, bias: Tensor, over ranks: ProcessGroup?, isNaive: Bool)
  {
    let layer = BatchNorm2d(weight.count)
    layer.convert(to: .float64)
    withNoGrad {
      layer.weight.tensor.copy(from: weight)
      layer.bias.tensor.copy(from: bias)
    }
    if let ranks { layer.synchronizeBatchNorm(over: ranks, weighsRanksEqually: isNaive) }
    x.requiresGrad = true
    let y = layer(x)
    (y * cotangent).sum().backward()
    func numbers(_ tensor: Tensor?) -> [Double] { tensor.map { $0.array(of: Double.self) } ?? [] }
    (output, inputGradient) = (numbers(y.detached()), numbers(x.gradient))
    weightGradient = numbers(layer.weight.tensor.gradient)
    biasGradient = numbers(layer.bias.tensor.gradient)
    (runningMean, runningVar) = (numbers(layer.runningMean.tensor), numbers(layer.runningVar.tensor))
  }
}

/// The numbers that detectron2's `naiveSyncBN` gives on two processes with batches of different shapes; all files
/// `sync-bn*.json` below the folder TRANSFER_CASES, or the one beside these tests.
@Suite struct TransferSyncBN {
  struct Case: Decodable, Sendable {
    struct Input: Decodable, Sendable {
      let shape: [Int]
      let input, cotangent: String
    }
    struct Digest: Decodable, Sendable {
      let shape: [Int]
      let sum, l2, dot: Double
      let first, last: [Double]
    }
    struct Result: Decodable, Sendable {
      let output, inputGradient: Digest
      let weightGradient, biasGradient, runningMean, runningVar: [Double]
    }

    let norm: String
    let momentum, eps: Double
    let ranks: [Input]
    let weight, bias: String
    let twoProcesses: [Result]
    let rank0Alone: Result

    var isNaive: Bool { norm == "naiveSyncBN" }
  }

  private static func cases() throws -> [(name: String, case: Case)] {
    let own = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/transfer").path
    let folder = ProcessInfo.processInfo.environment["TRANSFER_CASES"] ?? own
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try names.filter {
      $0.hasSuffix(".json") && ($0 as NSString).lastPathComponent.hasPrefix("sync-bn")
    }
    .sorted().map { name in
      print("transfer case: \(name)")
      let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
      return (name, try decoder.decode(Case.self, from: data))
    }
  }

  /// A formula such as "1 + 0.3 * u(9800)".
  private static func tensor(_ text: String, shape: [Int]) -> Tensor {
    text.components(separatedBy: " + ").map { term in
      term.components(separatedBy: " * ").map { factor -> Tensor in
        let salt = factor.hasPrefix("u(") ? Int(factor.dropFirst(2).dropLast()) : nil
        return salt.map { formula(salt: $0, shape: shape) }
          ?? Tensor.zeros(shape, dtype: .float64) + (Double(factor) ?? .nan)
      }.reduce(Tensor.ones(shape, dtype: .float64)) { $0 * $1 }
    }.reduce(Tensor.zeros(shape, dtype: .float64)) { $0 + $1 }
  }

  private static func outcome(_ one: Case, rank: Int, over ranks: ProcessGroup?) -> Outcome {
    let input = one.ranks[rank]
    let channels = [input.shape[1]]
    return Outcome(
      tensor(input.input, shape: input.shape), cotangent: tensor(input.cotangent, shape: input.shape),
      weight: tensor(one.weight, shape: channels), bias: tensor(one.bias, shape: channels), over: ranks,
      isNaive: one.isNaive)
  }

  /// Two programs' sums of a few hundred float64 numbers agree to about 1e-15 of their size; 1e-12 leaves room for those
  /// that cancel.
  private static func expect(_ found: Outcome, _ expected: Case.Result, _ name: String) {
    func near(_ a: [Double], _ b: [Double], _ what: String, scale: Double = 1) {
      #expect(distance(a, b) <= 1e-12 * scale, "\(name): \(what) off by \(distance(a, b))")
    }
    func digest(_ numbers: [Double], _ digest: Case.Digest, _ what: String) {
      let salted = formula(salt: 4242, shape: [numbers.count]).array(of: Double.self)
      let scale = max(1, digest.l2 * Double(numbers.count).squareRoot())
      near([numbers.reduce(0, +)], [digest.sum], "sum of \(what)", scale: scale)
      near([zip(numbers, salted).map { $0 * $1 }.reduce(0, +)], [digest.dot], "dot of \(what)", scale: scale)
      near([numbers.map { $0 * $0 }.reduce(0, +).squareRoot()], [digest.l2], "norm of \(what)", scale: scale)
      near(Array(numbers.prefix(4)), digest.first, "first of \(what)", scale: 10)
      near(Array(numbers.suffix(4)), digest.last, "last of \(what)", scale: 10)
    }
    digest(found.output, expected.output, "output")
    digest(found.inputGradient, expected.inputGradient, "input gradient")
    near(found.weightGradient, expected.weightGradient, "weight gradient", scale: 10)
    near(found.biasGradient, expected.biasGradient, "bias gradient", scale: 10)
    near(found.runningMean, expected.runningMean, "running mean")
    near(found.runningVar, expected.runningVar, "running variance")
  }

  @Test func everyCaseIsReproducedOnItsRanksAndOnTheFirstAlone() async throws {
    for (name, one) in try Self.cases() {
      #expect(one.momentum == BatchNorm2d.momentum && one.eps == BatchNorm2d.epsilon)
      let found = try await withRanks(one.ranks.count) { group in
        Self.outcome(one, rank: group.rank.number, over: group)
      }
      for (rank, pair) in zip(found, one.twoProcesses).enumerated() {
        Self.expect(pair.0, pair.1, "\(name), rank \(rank)")
      }
      Self.expect(Self.outcome(one, rank: 0, over: nil), one.rank0Alone, "\(name), alone")
    }
  }
}

/// Exact statistics weigh each rank by its values.
@Suite struct SyncBatchNormOfUnequalBatches {
  private static let channels = 3
  private static let weight: [Double] = [1.2, 0.7, -0.4]
  private static let bias: [Double] = [0.1, -0.3, 0.2]

  /// 1×C×1×count, far from 0 in the mean, so that mean squares alone would lose digits.
  private static func values(_ salt: Int, _ range: Range<Int>, plus offset: Double) -> Tensor {
    (formula(salt: salt, shape: [1, channels, 1, 200]) + offset).narrowed(range, dim: 3).contiguous()
  }

  private static func outcome(_ range: Range<Int>, over ranks: ProcessGroup?) -> Outcome {
    Outcome(
      values(71, range, plus: 300), cotangent: values(72, range, plus: 0),
      weight: Tensor(weight, shape: [channels]), bias: Tensor(bias, shape: [channels]), over: ranks,
      isNaive: false)
  }

  /// Rows of one channel's values: the ranks' outputs lie behind one another within each channel.
  private static func joined(_ parts: [[Double]]) -> [Double] {
    (0..<channels).flatMap { channel in
      parts.flatMap { part in
        let share = part.count / channels
        return part[channel * share..<(channel + 1) * share]
      }
    }
  }

  /// Two summations of 200 numbers near 300 differ by 300 · 2⁻⁵³ · √200 ≈ 5e-13 at most in the mean, and by about as much
  /// relative to the deviation of 0.6.
  @Test(arguments: [[0, 140, 200], [0, 1, 200], [0, 200, 200], [0, 60, 60, 200]])
  func ranksOfAnySizeNormaliseAsOneWithAllValues(_ cuts: [Int]) async throws {
    let whole = Self.outcome(0..<cuts[cuts.count - 1], over: nil)
    let parts = try await withRanks(cuts.count - 1) { group in
      Self.outcome(cuts[group.rank.number]..<cuts[group.rank.number + 1], over: group)
    }
    #expect(distance(Self.joined(parts.map(\.output)), whole.output) < 1e-11)
    #expect(distance(Self.joined(parts.map(\.inputGradient)), whole.inputGradient) < 1e-11)
    for part in parts {
      #expect(distance(part.runningMean, whole.runningMean) < 1e-11)
      #expect(distance(part.runningVar, whole.runningVar) < 1e-11)
    }
    let sums = { (key: KeyPath<Outcome, [Double]>) in
      parts.dropFirst().reduce(parts[0][keyPath: key]) { zip($0, $1[keyPath: key]).map { $0 + $1 } }
    }
    // Sums of 200 numbers of either sign.
    #expect(distance(sums(\.weightGradient), whole.weightGradient) < 1e-9)
    #expect(distance(sums(\.biasGradient), whole.biasGradient) < 1e-11)
  }

  @Test func aRankWithoutValuesCannotHaveAnEqualWeight() async throws {
    // Every rank is without values, so that none waits for another.
    await #expect {
      _ = try await withRanks(2) { group in
        let layer = BatchNorm2d(2)
        layer.synchronizeBatchNorm(over: group, weighsRanksEqually: true)
        return layer(.zeros([0, 2, 3, 3])).shape
      }
    } throws: { error in
      "\(error)".contains("a rank without values has no mean that could have a weight")
    }
  }
}
