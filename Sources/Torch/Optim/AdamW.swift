import CTorch

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), one fused call a step:
/// w ← w − lr·decay·w; m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; w ← w − lr·m̂ / (√v̂ + ε), with
/// m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) at step t. Every parameter is decayed, as in MoCo v3's ViT, unless vectors are
/// not, as in masked auto-encoders: the steps of both kinds are then a call each.
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
  /// Whether parameters of at most one dimension (biases, normalisations) are decayed too.
  public let decaysVectors: Bool
  public private(set) var steps = 0

  /// The places of the parameters that weight decay changes, and of the others.
  private let decayed: [Int]
  private let undecayed: [Int]

  public init(
    _ parameters: [Tensor], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01, decaysVectors: Bool = true
  ) {
    self.parameters = parameters
    decayed = parameters.indices.filter { decaysVectors || parameters[$0].rank > 1 }
    undecayed = decaysVectors ? [] : parameters.indices.filter { parameters[$0].rank <= 1 }
    means = Self.zeros(like: parameters)
    squares = Self.zeros(like: parameters)
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decaysVectors = decaysVectors
  }

  /// With PyTorch's names.
  public var memory: [(kind: String, tensors: [Tensor])] {
    [("exp_avg", means), ("exp_avg_sq", squares)]
  }

  public func step(learningRate: Double) {
    withGradients { gradients in
      update(decayed, gradients, learningRate, decay: weightDecay)
      update(undecayed, gradients, learningRate, decay: 0)
      steps += 1
    }
  }

  /// The step of the parameters at `places`.
  private func update(_ places: [Int], _ gradients: [Tensor], _ learningRate: Double, decay: Double) {
    guard !places.isEmpty else { return }
    withHandles(places.map { parameters[$0] }) { parameters, count in
      withHandles(places.map { gradients[$0] }) { gradients, _ in
        withHandles(places.map { means[$0] }) { means, _ in
          withHandles(places.map { squares[$0] }) { squares, _ in
            check(
              ct_fused_adamw_(
                parameters, gradients, means, squares, count, Int64(steps + 1), learningRate, beta1, beta2,
                decay, epsilon))
          }
        }
      }
    }
  }

  public func restore(steps: Int) { self.steps = steps }
}
