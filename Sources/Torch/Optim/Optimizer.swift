import CTorch

/// What moves parameters along their gradients: ``SGD``, ``LARS`` or ``AdamW``.
public protocol Optimizer: AnyObject {
  /// What is moved, in place.
  var parameters: [Tensor] { get }
  /// What is remembered from step to step: kinds of tensors by name, each with one tensor a parameter, in the
  /// parameters' order and shapes. The one kind of ``SGD`` and of ``LARS`` has no name.
  var memory: [(kind: String, tensors: [Tensor])] { get }
  /// Steps taken.
  var steps: Int { get }

  /// Moves every parameter by its gradient and clears the gradients. Where an operation has failed before,
  /// inside ``withTorchErrors(_:)``, nothing moves: its gradients are missing or incomplete.
  func step(learningRate: Double)

  /// Continues after `steps` steps; what ``memory`` holds is restored in place.
  func restore(steps: Int)
}

extension Optimizer {
  /// What a checkpoint keeps: ``memory`` by the names of the parameters, `exp_avg.conv1.weight`, or
  /// `conv1.weight` where there is one kind only.
  /// - Parameter names: The parameters' names, in their order.
  public func state(named names: [String]) -> [(name: String, tensor: Tensor)] {
    precondition(
      names.count == parameters.count, "\(names.count) names for \(parameters.count) parameters")
    return memory.flatMap { kind, tensors in
      zip(names, tensors).map { (kind.isEmpty ? $0 : "\(kind).\($0)", $1) }
    }
  }

  /// Runs `move` with the parameters' gradients, and with the memory lying as they do; clears them after.
  func withGradients(_ move: ([Tensor]) -> Void) {
    defer { for parameter in parameters { parameter.clearGradient() } }
    guard !TorchError.isRecorded else { return }
    for (_, tensors) in memory { follow(tensors) }
    let gradients = parameters.map { parameter in
      guard let gradient = parameter.gradient else {
        preconditionFailure("a parameter of shape \(parameter.shape) has no gradient: run backward() first")
      }
      return gradient
    }
    withNoGrad { move(gradients) }
  }

  /// Puts tensors into the type, device and memory order of parameters that were converted or moved since the
  /// last step: fused kernels walk both as raw memory.
  private func follow(_ tensors: [Tensor]) {
    withNoGrad {
      for (tensor, parameter) in zip(tensors, parameters)
      where tensor.strides != parameter.strides || tensor.dtype != parameter.dtype
        || tensor.device != parameter.device
      {
        let moved = parameter.detached() * 0
        moved.copy(from: tensor)
        tensor.setData(moved)
      }
    }
  }

  /// Zeros, one tensor a parameter.
  static func zeros(like parameters: [Tensor]) -> [Tensor] {
    precondition(!parameters.isEmpty, "there is nothing to optimize")
    return withNoGrad { parameters.map { $0.detached() * 0 } }
  }
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
