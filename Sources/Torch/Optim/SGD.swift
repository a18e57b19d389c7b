import CTorch

/// Stochastic gradient descent with momentum and coupled weight decay, one fused call a step:
/// v ← momentum·v + (g + decay·w); w ← w − lr·v. Every parameter is decayed, as in MoCo v1 and v2.
public final class SGD {
  public let parameters: [Tensor]
  /// v, in the parameters' order and shapes.
  public let velocities: [Tensor]
  public let momentum: Double
  public let weightDecay: Double
  public private(set) var steps = 0

  public init(_ parameters: [Tensor], momentum: Double = 0.9, weightDecay: Double = 0) {
    precondition(!parameters.isEmpty, "there is nothing to optimize")
    self.parameters = parameters
    self.velocities = withNoGrad { parameters.map { $0.detached() * 0 } }
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  /// Moves every parameter by its gradient and clears the gradients.
  public func step(learningRate: Double) {
    let gradients = parameters.map { parameter in
      guard let gradient = parameter.gradient else {
        preconditionFailure("a parameter of shape \(parameter.shape) has no gradient: run backward() first")
      }
      return gradient
    }
    withNoGrad {
      withHandles(parameters) { parameters, count in
        withHandles(gradients) { gradients, _ in
          withHandles(velocities) { velocities, _ in
            check(
              ct_fused_sgd_(
                parameters, gradients, velocities, count, learningRate, momentum, weightDecay, steps == 0))
          }
        }
      }
    }
    steps += 1
    for parameter in parameters { parameter.clearGradient() }
  }

  /// Continues after `steps` steps with the velocities that were saved.
  public func restore(steps: Int) { self.steps = steps }
}

/// x ← x + weight·(target − x) for every pair, in one call.
public func lerpAll(_ tensors: [Tensor], toward targets: [Tensor], weight: Double) {
  precondition(
    tensors.count == targets.count, "\(tensors.count) tensors cannot follow \(targets.count) targets")
  withNoGrad {
    withHandles(tensors) { tensors, count in
      withHandles(targets) { targets, _ in check(ct_foreach_lerp_(tensors, targets, count, weight)) }
    }
  }
}
