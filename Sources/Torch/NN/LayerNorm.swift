import CTorch

/// Layer normalisation (Ba, Kiros, Hinton 2016): each row of …×C gets mean 0 and variance 1, then
/// weight and bias.
public final class LayerNorm: Module {
  public let weight: Parameter  // C, starts at 1
  public let bias: Parameter  // C, starts at 0
  let epsilon: Double

  public init(_ size: Int, epsilon: Double = 1e-5) {
    weight = Parameter(.ones([size]))
    bias = Parameter(.zeros([size]))
    self.epsilon = epsilon
  }

  public override func forward(_ x: Tensor) -> Tensor {
    produce { ct_layer_norm($0, x.handle, weight.tensor.handle, bias.tensor.handle, epsilon) }
  }
}
