import CTorch

/// Layer-wise adaptive rate scaling (You, Gitman, Ginsburg 2017), as MoCo v3 trains its ResNet (Chen, Xie, He
/// 2021, appendix A): g ← g + decay·w; g ← trust·‖w‖/‖g‖·g where both norms are positive;
/// v ← momentum·v + g; w ← w − lr·v.
///
/// Parameters of at most one dimension (biases, batch normalisation) are neither decayed nor scaled.
public final class LARS: Optimizer {
  public let parameters: [Tensor]
  /// v, in the parameters' order and shapes.
  public let velocities: [Tensor]
  public let momentum: Double
  public let weightDecay: Double
  /// The length of a step relative to the weights it changes, at a learning rate of 1.
  public let trust: Double
  public private(set) var steps = 0

  public init(
    _ parameters: [Tensor], momentum: Double = 0.9, weightDecay: Double = 0, trust: Double = 0.001
  ) {
    self.parameters = parameters
    self.velocities = Self.zeros(like: parameters)
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.trust = trust
  }

  public var memory: [(kind: String, tensors: [Tensor])] { [("", velocities)] }

  public func step(learningRate: Double) {
    withGradients { gradients in
      withHandles(parameters) { parameters, count in
        withHandles(gradients) { gradients, _ in
          withHandles(velocities) { velocities, _ in
            check(
              ct_foreach_lars_(
                parameters, gradients, velocities, count, learningRate, momentum, weightDecay, trust))
          }
        }
      }
      steps += 1
    }
  }

  public func restore(steps: Int) { self.steps = steps }
}
