import CTorch

/// y = x·Wᵀ + b: N×inputs → N×outputs.
public final class Linear: Module {
  public let weight: Parameter  // outputs×inputs
  public let bias: Parameter?  // outputs

  /// Weight and bias are drawn from U(±1/√inputs), PyTorch's default.
  public init(_ inputs: Int, _ outputs: Int, bias: Bool = true, using generator: Generator) {
    let bound = 1 / Double(inputs).squareRoot()
    weight = Parameter(.uniform([outputs, inputs], low: -bound, high: bound, using: generator))
    self.bias = bias ? Parameter(.uniform([outputs], low: -bound, high: bound, using: generator)) : nil
  }

  public override func forward(_ x: Tensor) -> Tensor {
    produce { ct_linear($0, x.handle, weight.tensor.handle, bias?.tensor.handle) }
  }
}
