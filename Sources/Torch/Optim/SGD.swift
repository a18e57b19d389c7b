import CTorch

/// Stochastic gradient descent with momentum and coupled weight decay, one fused call a step:
/// v ← momentum·v + (g + decay·w); w ← w − lr·v. Every parameter is decayed, as in MoCo v1 and v2.
public final class SGD: Optimizer {
  public let parameters: [Tensor]
  /// v, in the parameters' order and shapes.
  public let velocities: [Tensor]
  public let momentum: Double
  public let weightDecay: Double
  public private(set) var steps = 0

  public init(_ parameters: [Tensor], momentum: Double = 0.9, weightDecay: Double = 0) {
    self.parameters = parameters
    self.velocities = Self.zeros(like: parameters)
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public var memory: [(kind: String, tensors: [Tensor])] { [("", velocities)] }

  public func step(learningRate: Double) {
    withGradients { gradients in
      withHandles(parameters) { parameters, count in
        withHandles(gradients) { gradients, _ in
          withHandles(velocities) { velocities, _ in
            check(
              ct_fused_sgd_(
                parameters, gradients, velocities, count, learningRate, momentum, weightDecay, steps == 0))
          }
        }
      }
      steps += 1
    }
  }

  public func restore(steps: Int) { self.steps = steps }
}
