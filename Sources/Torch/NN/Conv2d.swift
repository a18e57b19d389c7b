import CTorch

/// A 2-D convolution: N×C×H×W → N×D×H′×W′ with H′ = ⌊(H + 2·padding − kernel) / stride⌋ + 1.
public final class Conv2d: Module {
  public let weight: Parameter  // D×(C/groups)×kernel×kernel
  public let bias: Parameter?  // D
  let stride: Int
  let padding: Int
  let groups: Int

  /// The weight is drawn from N(0, 2 / (D·kernel²)) — He et al. 2015 with fan-out, as torchvision's ResNets.
  public convenience init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, groups: Int = 1,
    bias: Bool = false, using generator: Generator
  ) {
    precondition(
      inputs % groups == 0 && outputs % groups == 0,
      "\(inputs) → \(outputs) channels do not divide into \(groups) groups")
    let shape = [outputs, inputs / groups, kernel, kernel]
    self.init(
      weight: Parameter(kaimingNormal(shape, using: generator)),
      bias: bias ? Parameter(.zeros([outputs])) : nil, stride: stride, padding: padding, groups: groups)
  }

  /// - Parameters:
  ///   - weight: D×(C/groups)×kernel×kernel.
  ///   - bias: D.
  public init(weight: Parameter, bias: Parameter?, stride: Int = 1, padding: Int = 0, groups: Int = 1) {
    self.weight = weight
    self.bias = bias
    self.stride = stride
    self.padding = padding
    self.groups = groups
  }

  public override func forward(_ x: Tensor) -> Tensor {
    produce {
      ct_conv2d(
        $0, x.handle, weight.tensor.handle, bias?.tensor.handle, Int64(stride), Int64(padding), Int64(groups))
    }
  }
}
