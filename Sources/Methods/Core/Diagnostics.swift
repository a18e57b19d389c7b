import Foundation
import Torch

/// The distribution of features on the sphere and the age of the dictionary: they show a collapse long before
/// an evaluation does.
public struct Diagnostics: Codable, Sendable, Equatable {
  /// The mean of ‖q − k‖² over positive pairs, 0 … 4: the distance between two views of an image (Wang and
  /// Isola 2020, equation 5 with α = 2).
  public var alignment: Double
  /// The log of the mean of exp(−2·‖qᵢ − qⱼ‖²) over pairs of queries, −8 … 0 (Wang and Isola 2020, equation 6
  /// with t = 2): 0 if all are the same, near −4 if many are spread evenly over the sphere.
  public var uniformity: Double
  /// The effective rank of the batch's queries, 1 … min(N, C): exp of the entropy of their singular values
  /// divided by their sum (RankMe; Garrido et al. 2023, equation 1). 1 if all have the same direction.
  public var featureRank: Double
  /// The mean number of steps since the queue's learned keys were encoded; 0 for the latest batch.
  public var queueAge: Double?
  /// The share of the queue with learned keys, 0 … 1; the rest are the random initial keys.
  public var queueFilled: Double?
  /// The mean cosine of adjacent learned keys in the queue, −1 … 1. (In a full queue one of the K pairs is
  /// the newest and the oldest key.)
  public var queueSimilarity: Double?

  /// Waits for the device.
  /// - Parameters:
  ///   - queries: N×C, rows of length 1, at least two.
  ///   - keys: the positive key of each, N×C, rows of length 1.
  public init(queries: Tensor, keys: Tensor) {
    queries.expect([nil, nil], "queries")
    keys.expect(queries.shape, "keys of \(queries.shape) queries")
    precondition(queries.shape[0] > 1, "\(queries.shape[0]) query has no pairs")
    let (q, k) = (Diagnostics.measurable(queries), Diagnostics.measurable(keys))
    (alignment, uniformity, featureRank) = withNoGrad {
      ((q - k).pow(2).sum(dim: 1).mean().item(), Diagnostics.uniformity(q), Diagnostics.effectiveRank(q))
    }
  }

  /// Adds the queue's numbers.
  /// - Parameters:
  ///   - keys: The queue's keys, K×C, rows of length 1; a ring filled from row 0 on.
  ///   - steps: The number of enqueue operations so far.
  ///   - keysPerStep: The number of keys per operation.
  public mutating func observe(queue keys: Tensor, steps: Int, keysPerStep: Int) {
    keys.expect([nil, nil], "the queue's keys")
    let capacity = keys.shape[0]
    let learned = min(capacity, steps * keysPerStep)
    queueFilled = Double(learned) / Double(capacity)
    queueAge = Diagnostics.meanAge(of: learned, keysPerStep: keysPerStep)
    guard learned > 1 else { return }
    queueSimilarity = withNoGrad {
      let older = Diagnostics.measurable(keys.narrowed(0..<learned - 1))
      let newer = Diagnostics.measurable(keys.narrowed(1..<learned))
      return (older * newer).sum(dim: 1).mean().item()
    }
  }

  /// The latest n keys are 0 steps old, the n before them 1 step, and so on.
  private static func meanAge(of learned: Int, keysPerStep n: Int) -> Double? {
    guard learned > 0 else { return nil }
    let (batches, rest) = learned.quotientAndRemainder(dividingBy: n)
    return Double(n * batches * (batches - 1) / 2 + rest * batches) / Double(learned)
  }

  private static func measurable(_ x: Tensor) -> Tensor { x.dtype == .float64 ? x : x.to(.float32) }

  /// For rows of length 1, where ‖a − b‖² = 2 − 2·a·b.
  private static func uniformity(_ q: Tensor) -> Double {
    func kernel(_ cosines: Tensor) -> Double { (cosines * 4 - 4).exp().sum().item() }
    let ordered = kernel(q.matmul(q.transposed)) - kernel((q * q).sum(dim: 1))  // without i = j
    let count = q.shape[0]
    return log(ordered / Double(count * (count - 1)))
  }

  /// Singular values are the square roots of the Gram matrix's eigenvalues. In float64, because the root
  /// turns an error of 1e-7 of the largest eigenvalue into 3e-4, and a hundred such errors would hide a
  /// collapse.
  private static func effectiveRank(_ q: Tensor) -> Double {
    let q = q.to(.cpu).to(.float64)
    let gram = q.shape[0] < q.shape[1] ? q.matmul(q.transposed) : q.transposed.matmul(q)
    let singular = gram.symmetricEigenvalues().array(of: Double.self).map { max($0, 0).squareRoot() }
    let total = singular.reduce(0, +)
    let entropy = singular.filter { $0 > 0 }.map { -$0 / total * log($0 / total) }.reduce(0, +)
    return exp(entropy)
  }
}
