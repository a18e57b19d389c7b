import CTorch

/// A size along the height and one along the width: `3` is 3 in both, `[1, 7]` is 1 in height and 7 in width.
public struct Size2D: Equatable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
  public let height, width: Int

  public init(_ both: Int) { (height, width) = (both, both) }
  public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }
  public init(integerLiteral both: Int) { self.init(both) }
  public init(arrayLiteral sizes: Int...) {
    precondition(sizes.count == 2, "a height and a width, not \(sizes)")
    self.init(height: sizes[0], width: sizes[1])
  }

  var c: ct_pair { ct_pair(height: Int64(height), width: Int64(width)) }
}

/// A 2-D convolution: N×C×H×W → N×D×H′×W′ with H′ = ⌊(H + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.
///
///     Conv2d(64, 128, kernel: 3, stride: 2, padding: 1, using: generator)
///     Conv2d(64, 64, kernel: [1, 7], padding: [0, 3], using: generator)
public final class Conv2d: Module {
  public let weight: Parameter  // D×(C/groups)×kernel height×kernel width
  public let bias: Parameter?  // D
  package let stride: Size2D
  package let padding: Size2D
  package let dilation: Size2D
  let groups: Int

  /// The weight is drawn from N(0, 2 / (D·kernel height·kernel width)) — He et al. 2015 with fan-out, as torchvision's
  /// ResNets.
  public convenience init(
    _ inputs: Int, _ outputs: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0,
    dilation: Size2D = 1,
    groups: Int = 1, bias: Bool = false, using generator: Generator
  ) {
    precondition(
      inputs % groups == 0 && outputs % groups == 0,
      "\(inputs) → \(outputs) channels do not divide into \(groups) groups")
    let shape = [outputs, inputs / groups, kernel.height, kernel.width]
    self.init(
      weight: Parameter(kaimingNormal(shape, using: generator)),
      bias: bias ? Parameter(.zeros([outputs])) : nil,
      stride: stride, padding: padding, dilation: dilation, groups: groups)
  }

  /// A convolution of equal sizes in height and width.
  public convenience init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1,
    groups: Int = 1,
    bias: Bool = false, using generator: Generator
  ) {
    self.init(
      inputs, outputs, kernel: Size2D(kernel), stride: Size2D(stride), padding: Size2D(padding),
      dilation: Size2D(dilation), groups: groups, bias: bias, using: generator)
  }

  /// - Parameters:
  ///   - weight: D×(C/groups)×kernel height×kernel width.
  ///   - bias: D.
  public init(
    weight: Parameter, bias: Parameter?, stride: Size2D = 1, padding: Size2D = 0, dilation: Size2D = 1,
    groups: Int = 1
  ) {
    self.weight = weight
    self.bias = bias
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
  }

  /// A convolution of equal strides and paddings in height and width.
  public convenience init(weight: Parameter, bias: Parameter?, stride: Int, padding: Int = 0, groups: Int = 1)
  {
    self.init(
      weight: weight, bias: bias, stride: Size2D(stride), padding: Size2D(padding), groups: groups)
  }

  public override func forward(_ x: Tensor) -> Tensor {
    produce {
      ct_conv2d(
        $0, x.handle, weight.tensor.handle, bias?.tensor.handle, stride.c, padding.c, dilation.c,
        Int64(groups))
    }
  }
}
