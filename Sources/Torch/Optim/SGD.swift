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

  /// Moves every parameter by its gradient and clears the gradients. Where an operation has failed before,
  /// inside ``withTorchErrors(_:)``, nothing moves: its gradients are missing or incomplete.
  public func step(learningRate: Double) {
    defer { for parameter in parameters { parameter.clearGradient() } }
    guard !TorchError.isRecorded else { return }
    followParameters()
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
  }

  /// Puts velocities into the type, device and memory order of parameters that were converted or moved since
  /// the last step: the fused kernel walks both as raw memory.
  private func followParameters() {
    withNoGrad {
      for (velocity, parameter) in zip(velocities, parameters)
      where velocity.strides != parameter.strides || velocity.dtype != parameter.dtype
        || velocity.device != parameter.device
      {
        let moved = parameter.detached() * 0
        moved.copy(from: velocity)
        velocity.setData(moved)
      }
    }
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
