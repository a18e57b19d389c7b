import Foundation
import Torch

/// The contrastive loss: a (K+1)-way softmax that must find the positive key among *K* negatives (van den
/// Oord et al. 2018; He et al. 2020, equation 1).
public struct InfoNCE: Sendable {
  /// *τ*
  public let temperature: Double

  public init(temperature: Double) {
    precondition(temperature > 0, "temperature τ = \(temperature) must be positive")
    self.temperature = temperature
  }

  /// - Parameters:
  ///   - q: Queries, N×C, rows of length 1.
  ///   - k: The positive key of each query, N×C, rows of length 1.
  ///   - negatives: The dictionary, K×C.
  /// - Returns: The mean loss, and the logits N×(1+K) with the positives in column 0.
  public func callAsFunction(_ q: Tensor, _ k: Tensor, negatives: Tensor) -> (loss: Tensor, logits: Tensor) {
    let q = q / temperature  // N×C: dividing here is cheaper than dividing N×(1+K) logits
    let positive = (q * k).sum(dim: 1, keepDim: true)  // N×1
    let negative = similarities(q, negatives)  // N×K
    let logits = Tensor.concatenated([positive, negative], dim: 1)  // N×(1+K)
    let labels = Tensor.zeros([q.shape.first ?? 0], dtype: .int64, on: q.device)  // the positives' column
    return (crossEntropy(logits, labels), logits)
  }

  /// The loss with the other keys of the batch as negatives (Chen, Xie, He 2021, algorithm 1), scaled by 2τ
  /// as in its appendix A.
  /// - Parameters:
  ///   - q: Queries, N×C, rows of length 1.
  ///   - keys: M×C, rows of length 1, of all ranks.
  ///   - positives: The row of each query's key; N int64.
  /// - Returns: The mean loss, and the logits N×M.
  public func amongBatch(_ q: Tensor, _ keys: Tensor, positives: Tensor) -> (loss: Tensor, logits: Tensor) {
    let logits = similarities(q / temperature, keys)  // N×M
    return (crossEntropy(logits, positives) * (2 * temperature), logits)
  }

  /// The loss of a random guess: log(K+1). Random queue entries are easy to distinguish, so a run starts
  /// below it, rises to it while real keys fill the queue, and then falls again.
  public static func chanceLoss(negatives count: Int) -> Double { log(Double(count + 1)) }

  /// The loss if every key equals its query and the negatives are spread evenly: about the lowest possible.
  ///
  /// A cosine with a uniformly random direction in *C* dimensions is nearly N(0, 1/C), so the mean of
  /// e^(cos/τ) is e^(1/(2Cτ²)) and the loss is log(1 + K·e^(1/(2Cτ²) − 1/τ)).
  public static func uniformLoss(negatives count: Int, dimension: Int, temperature: Double) -> Double {
    log(1 + Double(count) * exp(1 / (2 * Double(dimension) * temperature * temperature) - 1 / temperature))
  }
}

/// Every query times every key: N×C, M×C → N×M. Never rounded to bfloat16: 8 bits of mantissa cannot
/// distinguish a cosine of 0.99 from 0.993, and τ makes small differences large.
func similarities(_ q: Tensor, _ keys: Tensor) -> Tensor {
  func wide(_ x: Tensor) -> Tensor { x.dtype == .bfloat16 ? x.to(.float32) : x }
  return withPrecision(.float32, on: q.device) { wide(q).matmul(wide(keys).transposed) }
}

/// The accuracy of finding the positive key among the negatives.
public struct ContrastAccuracy: Sendable, Equatable {
  /// Shares, 0 … 1.
  public var top1: Double
  public var top5: Double

  public init(top1: Double, top5: Double) {
    self.top1 = top1
    self.top5 = top5
  }

  /// - Parameter logits: N×(1+K), the positives in column 0. Waits for the device.
  public init(logits: Tensor) {
    self.init(logits, positive: withNoGrad { logits.narrowed(0..<1, dim: 1) })
  }

  /// - Parameters:
  ///   - logits: N×M. Waits for the device.
  ///   - positives: the positive's column in each row, N int64.
  public init(logits: Tensor, positives: Tensor) {
    self.init(
      logits, positive: withNoGrad { logits.gathered(positives.reshaped([-1, 1]), dim: 1) })
  }

  /// - Parameter positive: N×1.
  private init(_ logits: Tensor, positive: Tensor) {
    (top1, top5) = withNoGrad {
      // Counts smaller logits only, so that a collapsed encoder, or NaN, scores 0 and not 1.
      let beaten = (logits .< positive).to(.float32).sum(dim: 1)  // N
      let rank = Double(logits.shape.last ?? 1) - 1 - beaten  // N
      func share(below place: Double) -> Double { (rank .< place).to(.float32).mean().item() }
      return (share(below: 1), share(below: 5))
    }
  }
}
