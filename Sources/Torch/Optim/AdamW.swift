import CTorch

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), one fused call a step:
/// w ← w − lr·decay·w; m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; w ← w − lr·m̂ / (√v̂ + ε), with
/// m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) at step t. Every parameter is decayed, as in MoCo v3's ViT.
public final class AdamW: Optimizer {
  public let parameters: [Tensor]
  /// m, in the parameters' order and shapes.
  public let means: [Tensor]
  /// v, in the parameters' order and shapes.
  public let squares: [Tensor]
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  public let weightDecay: Double
  public private(set) var steps = 0

  public init(
    _ parameters: [Tensor], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01
  ) {
    self.parameters = parameters
    means = Self.zeros(like: parameters)
    squares = Self.zeros(like: parameters)
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// With PyTorch's names.
  public var memory: [(kind: String, tensors: [Tensor])] {
    [("exp_avg", means), ("exp_avg_sq", squares)]
  }

  public func step(learningRate: Double) {
    withGradients { gradients in
      withHandles(parameters) { parameters, count in
        withHandles(gradients) { gradients, _ in
          withHandles(means) { means, _ in
            withHandles(squares) { squares, _ in
              check(
                ct_fused_adamw_(
                  parameters, gradients, means, squares, count, Int64(steps + 1), learningRate, beta1, beta2,
                  weightDecay, epsilon))
            }
          }
        }
      }
      steps += 1
    }
  }

  public func restore(steps: Int) { self.steps = steps }
}
