import CTorch

/// Stochastic gradient descent with momentum and coupled weight decay, one fused call a step:
/// v ← momentum·v + (g + decay·w); w ← w − lr·v. Every parameter is decayed, as in MoCo v1 and v2, unless some are left
/// out, as detectors leave out those of normalisation; these then have a call of their own.
public final class SGD: Optimizer {
  public let parameters: [Tensor]
  /// v, in the parameters' order and shapes.
  public let velocities: [Tensor]
  public let momentum: Double
  public let weightDecay: Double
  public private(set) var steps = 0

  /// The places of the parameters that weight decay changes, and of the others.
  private let decayed: [Int]
  private let undecayed: [Int]

  /// - Parameter undecayed: Places of parameters without weight decay.
  public init(
    _ parameters: [Tensor], momentum: Double = 0.9, weightDecay: Double = 0, undecayed: Set<Int> = []
  ) {
    precondition(
      undecayed.allSatisfy(parameters.indices.contains),
      "places \(undecayed.sorted()) of \(parameters.count) parameters")
    self.parameters = parameters
    decayed = parameters.indices.filter { !undecayed.contains($0) }
    self.undecayed = undecayed.sorted()
    self.velocities = Self.zeros(like: parameters)
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public var memory: [(kind: String, tensors: [Tensor])] { [("", velocities)] }

  public func step(learningRate: Double) {
    withGradients { gradients in
      update(decayed, gradients, learningRate, decay: weightDecay)
      update(undecayed, gradients, learningRate, decay: 0)
      steps += 1
    }
  }

  private func update(_ places: [Int], _ gradients: [Tensor], _ learningRate: Double, decay: Double) {
    guard !places.isEmpty else { return }
    withHandles(places.map { parameters[$0] }) { parameters, count in
      withHandles(places.map { gradients[$0] }) { gradients, _ in
        withHandles(places.map { velocities[$0] }) { velocities, _ in
          check(
            ct_fused_sgd_(
              parameters, gradients, velocities, count, learningRate, momentum, decay, steps == 0))
        }
      }
    }
  }

  public func restore(steps: Int) { self.steps = steps }
}
