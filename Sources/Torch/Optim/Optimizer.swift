import CTorch

/// Updates parameters with their gradients: ``SGD``, ``LARS`` or ``AdamW``.
public protocol Optimizer: AnyObject {
  /// The parameters, updated in place.
  var parameters: [Tensor] { get }
  /// The optimizer's state between steps: kinds of tensors by name, each with one tensor per parameter, in
  /// the parameters' order and shapes. The only kind of ``SGD`` and of ``LARS`` has no name.
  var memory: [(kind: String, tensors: [Tensor])] { get }
  /// The number of steps taken.
  var steps: Int { get }

  /// Updates every parameter with its gradient and clears the gradients. If an operation has failed before,
  /// inside ``withTorchErrors(_:)``, it changes nothing: gradients are missing or incomplete.
  func step(learningRate: Double)

  /// Continues after `steps` steps; the caller restores the tensors of ``memory`` in place.
  func restore(steps: Int)
}

extension Optimizer {
  /// The tensors for a checkpoint: ``memory`` with the parameters' names, such as `exp_avg.conv1.weight`, or
  /// `conv1.weight` if there is only one kind.
  /// - Parameter names: The parameters' names, in their order.
  public func state(named names: [String]) -> [(name: String, tensor: Tensor)] {
    precondition(
      names.count == parameters.count, "\(names.count) names for \(parameters.count) parameters")
    return memory.flatMap { kind, tensors in
      zip(names, tensors).map { (kind.isEmpty ? $0 : "\(kind).\($0)", $1) }
    }
  }

  /// Calls `update` with the parameters' gradients, after giving ``memory`` the parameters' layout; clears the
  /// gradients.
  func withGradients(_ update: ([Tensor]) -> Void) {
    defer { for parameter in parameters { parameter.clearGradient() } }
    guard !TorchError.isRecorded else { return }
    for (_, tensors) in memory { follow(tensors) }
    let gradients = parameters.map { parameter in
      guard let gradient = parameter.gradient else {
        preconditionFailure("a parameter of shape \(parameter.shape) has no gradient: run backward() first")
      }
      return gradient
    }
    withNoGrad { update(gradients) }
  }

  /// Gives tensors the type, device and memory order of parameters that were converted or moved since the
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

  /// Zeros, one tensor per parameter.
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
