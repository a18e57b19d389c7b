import CTorch

/// y = x·Wᵀ + b: N×inputs → N×outputs.
public final class Linear: Module {
  public let weight: Parameter  // outputs×inputs
  public let bias: Parameter?  // outputs

  /// Weight and bias are drawn from U(±1/√inputs), PyTorch's default.
  public convenience init(_ inputs: Int, _ outputs: Int, bias: Bool = true, using generator: Generator) {
    let bound = 1 / Double(inputs).squareRoot()
    let weight = Tensor.uniform([outputs, inputs], low: -bound, high: bound, using: generator)
    self.init(
      weight: Parameter(weight),
      bias: bias ? Parameter(.uniform([outputs], low: -bound, high: bound, using: generator)) : nil)
  }

  /// - Parameters:
  ///   - weight: outputs×inputs.
  ///   - bias: outputs.
  public init(weight: Parameter, bias: Parameter?) {
    self.weight = weight
    self.bias = bias
  }

  public override func forward(_ x: Tensor) -> Tensor {
    linear(x, weight: weight.tensor, bias: bias?.tensor)
  }
}

/// x·Wᵀ + b: …×inputs → …×outputs.
/// - Parameters:
///   - weight: outputs×inputs.
///   - bias: outputs.
public func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
  produce { ct_linear($0, x.handle, weight.handle, bias?.handle) }
}
