import Foundation
import Torch

/// How features lie on the sphere and how old the dictionary is: what shows a collapse long before a measurement does.
public struct Diagnostics: Codable, Sendable, Equatable {
  /// The mean of ‖q − k‖² over positive pairs, 0 … 4: how far apart two views of an image lie (Wang and Isola 2020,
  /// equation 5 with α = 2).
  public var alignment: Double
  /// The log of the mean of exp(−2·‖qᵢ − qⱼ‖²) over pairs of queries, −8 … 0 (Wang and Isola 2020, equation 6 with
  /// t = 2): 0 where all are the same, near −4 where many are spread evenly over the sphere.
  public var uniformity: Double
  /// The effective rank of the batch's queries, 1 … min(N, C): exp of the entropy of their singular values as shares of
  /// the sum (RankMe; Garrido et al. 2023, equation 1). 1 where all point one way.
  public var featureRank: Double
  /// Steps since the queue's learned keys were encoded, in the mean; the latest batch's count 0.
  public var queueAge: Double?
  /// The share of the queue that holds learned keys, 0 … 1; the rest are the random ones of the start.
  public var queueFilled: Double?
  /// The mean cosine of learned keys that stand beside each other in the queue, −1 … 1. (In a full queue one pair of K
  /// is the newest and the oldest key.)
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

  /// Adds what a queue shows.
  /// - Parameters:
  ///   - keys: the queue's, K×C, rows of length 1; a ring that was filled from row 0 on.
  ///   - steps: how many times keys were enqueued.
  ///   - keysPerStep: how many each time.
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

  /// Of rows of length 1, where ‖a − b‖² = 2 − 2·a·b.
  private static func uniformity(_ q: Tensor) -> Double {
    func kernel(_ cosines: Tensor) -> Double { (cosines * 4 - 4).exp().sum().item() }
    let ordered = kernel(q.matmul(q.transposed)) - kernel((q * q).sum(dim: 1))  // without i = j
    let count = q.shape[0]
    return log(ordered / Double(count * (count - 1)))
  }

  /// Singular values are the roots of the Gram matrix's eigenvalues. In float64, because a root makes an error of 1e-7
  /// of the largest into one of 3e-4, and a hundred of these would hide a collapse.
  private static func effectiveRank(_ q: Tensor) -> Double {
    let q = q.to(.cpu).to(.float64)
    let gram = q.shape[0] < q.shape[1] ? q.matmul(q.transposed) : q.transposed.matmul(q)
    let singular = gram.symmetricEigenvalues().array(of: Double.self).map { max($0, 0).squareRoot() }
    let total = singular.reduce(0, +)
    let entropy = singular.filter { $0 > 0 }.map { -$0 / total * log($0 / total) }.reduce(0, +)
    return exp(entropy)
  }
}
