import Foundation
import Torch

/// Noise-contrastive estimation of a softmax over all *n* images, from *m* rows of a memory bank (Wu et al. 2018,
/// section 3.2): is a row the image's own, or noise?
///
/// With P(j|v) = exp(vⱼ·v/τ)/Z, the probability of "own" is h(j, v) = P/(P + m/n) (equation 6), and the loss
/// −log h(i, v) − Σⱼ log(1 − h(j, v)) (equation 7).
public struct NoiseContrast {
  /// The source of Z.
  public enum Partition: String, KeyValue, CaseIterable {
    /// The noise of the step (equation 8): the mean of its exponentials, times n.
    case step
    /// That of rows in random directions, as in the published code, where it never changes.
    case constant
  }

  /// Z/n of the published code, for ``constantDimension`` and ``constantTemperature``: the mean of exp(x·y/τ) over random
  /// directions, about exp(1/(2·128·τ²)).
  static let constantShare = 2_876_934.2 / 1_281_167
  static let constantDimension = 128
  static let constantTemperature = 0.07
  /// Added to each divisor in the published code.
  static let epsilon = 1e-7

  public let partition: Partition
  /// The number of images *n*.
  public let images: Int
  public let ranks: ProcessGroup

  /// - Parameters:
  ///   - images: *n*, at least 1.
  ///   - ranks: The processes that train together; ``Partition/step`` takes the noise of all of them.
  public init(_ partition: Partition, images: Int, ranks: ProcessGroup = .alone) {
    precondition(images > 0, "noise among \(images) images")
    (self.partition, self.images, self.ranks) = (partition, images, ranks)
  }

  /// The mean loss over the images.
  /// - Parameters:
  ///   - positive: vᵢ·v/τ of each image's own row, N×1.
  ///   - noise: vⱼ·v/τ of drawn rows, N×m. The own row may be among them.
  public func callAsFunction(_ positive: Tensor, noise: Tensor) -> Tensor {
    let m = Double(noise.shape.last ?? 1)
    switch partition {
    case .step: return loss(positive, noise, shift: logPartition(noise))
    case .constant:
      // In the published code h is P/(P + m/n + ε), and its opposite (m/n)/(P + m/n + ε): the same as above with
      // m/n + ε in place of m/n, but for a constant.
      let share = m / Double(images)
      let shift = log(NoiseContrast.constantShare * Double(images) * (share + NoiseContrast.epsilon))
      return loss(positive, noise, shift: .full(shift, [1], dtype: noise.dtype, on: noise.device))
        + m * log1p(NoiseContrast.epsilon / share)
    }
  }

  /// - Parameter shift: log(Z·m/n): P/(m/n) = exp(s − shift), so h = σ(s − shift).
  private func loss(_ positive: Tensor, _ noise: Tensor, shift: Tensor) -> Tensor {
    let missed = -(positive - shift).logSigmoid()  // N×1: −log h
    let mistaken = -(shift - noise).logSigmoid()  // N×m: −log(1 − h)
    return missed.mean() + mistaken.sum(dim: 1).mean()
  }

  /// log(Z·m/n) from the noise of all ranks in this step; *n* cancels out.
  ///
  /// The paper keeps the Z of its first batches, when all rows are random. On small sets features then collapse,
  /// because the rows become similar before an epoch is over.
  private func logPartition(_ noise: Tensor) -> Tensor {
    withNoGrad {
      let sum = noise.logSumExp(dim: 1).logSumExp(dim: 0, keepDim: true)  // 1: log-sum of N·m exponentials
      let images = (noise.shape.first ?? 0) * ranks.rank.count
      return ranks.allGather(sum).logSumExp(dim: 0) - log(Double(images))
    }
  }
}

extension NoiseContrast {
  /// A warning where the published Z is that of other keys.
  static func warnings(_ config: RunConfig) -> [String] {
    let (dimension, temperature) = (config.mocoDim, config.mocoT)
    guard config.noisePartition == .constant,
      dimension != constantDimension || temperature != constantTemperature
    else { return [] }
    return [
      "--noise-partition constant: the published Z is that of random keys of --moco-dim \(constantDimension) at --moco-t "
        + "\(constantTemperature), and here it is \(dimension) at \(temperature). Use --noise-partition step."
    ]
  }
}
