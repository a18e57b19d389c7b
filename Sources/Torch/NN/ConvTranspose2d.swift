import CTorch

/// The transposed convolution: N×C×H×W → N×D×H′×W′ with H′ = (H − 1)·stride − 2·padding + kernel.
public final class ConvTranspose2d: Module {
  public let weight: Parameter  // C×D×kernel height×kernel width
  public let bias: Parameter?  // D
  let stride: Size2D
  let padding: Size2D

  /// The weight is drawn from N(0, 2 / (C·kernel height·kernel width)): He et al. 2015 with "fan-out" as PyTorch counts it,
  /// from the weight's first dimension, so by the input channels here.
  public convenience init(
    _ inputs: Int, _ outputs: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0, bias: Bool = true,
    using generator: Generator
  ) {
    self.init(
      weight: Parameter(kaimingNormal([inputs, outputs, kernel.height, kernel.width], using: generator)),
      bias: bias ? Parameter(.zeros([outputs])) : nil, stride: stride, padding: padding)
  }

  /// - Parameters:
  ///   - weight: C×D×kernel height×kernel width.
  ///   - bias: D.
  public init(weight: Parameter, bias: Parameter?, stride: Size2D = 1, padding: Size2D = 0) {
    self.weight = weight
    self.bias = bias
    self.stride = stride
    self.padding = padding
  }

  public override func forward(_ x: Tensor) -> Tensor {
    produce {
      ct_conv_transpose2d($0, x.handle, weight.tensor.handle, bias?.tensor.handle, stride.c, padding.c)
    }
  }
}
