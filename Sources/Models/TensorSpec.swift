import Torch

/// A tensor of a network's state, without its values.
public struct TensorSpec: Equatable, Sendable {
  /// State-dict key, for example `layer1.0.bn1.running_mean`.
  public let name: String
  public let shape: [Int]
  public let dtype: DType

  /// Whether it is a batch normalisation's count of steps, which old PyTorch and other programs do not write.
  public var isCounter: Bool { !dtype.isFloatingPoint }
}

extension Module {
  /// Names and shapes of the state, in its order.
  var tensorSpecs: [TensorSpec] {
    state.map { TensorSpec(name: $0.name, shape: $0.tensor.shape, dtype: $0.tensor.dtype) }
  }
}
