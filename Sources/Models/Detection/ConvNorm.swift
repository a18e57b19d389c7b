import Torch

/// A convolution with a normalisation behind it, or none, and a ReLU behind that, or none. The convolution's tensors
/// have no name of their own in the state, the normalisation's are below `norm`, as in detectron2.
final class ConvNorm: Module {
  let conv: Conv2d
  let norm: (any BatchNormLayer)?
  private let hasReLU: Bool

  init(_ conv: Conv2d, norm: ResNet.Norm?, hasReLU: Bool = false) {
    self.conv = conv
    self.norm = norm?.makeLayer(conv.weight.tensor.shape.first ?? 0)
    self.hasReLU = hasReLU
  }

  override func stateName(of property: String) -> String? {
    property == "conv" ? nil : super.stateName(of: property)
  }

  override func forward(_ x: Tensor) -> Tensor {
    let y = conv(x)
    guard let norm else { return hasReLU ? reluInPlace(y) : y }
    return hasReLU ? norm.batchNormReLU(y) : norm(y)
  }
}

// Initial weights of detectors' layers.

extension Conv2d {
  /// With a bias of 0 and weights of N(0, deviation²).
  convenience init(
    _ inputs: Int, _ outputs: Int, kernel: Int, padding: Int = 0, deviation: Double,
    using generator: Generator
  ) {
    let weight = Tensor.normal([outputs, inputs, kernel, kernel], deviation: deviation, using: generator)
    self.init(
      weight: Parameter(weight), bias: Parameter(.zeros([outputs])), stride: 1, padding: padding)
  }

  /// With weights of U(±√(3 / fan-in)), which Caffe2 calls Xavier's, and a bias of 0 if there is one.
  convenience init(
    byFanIn inputs: Int, _ outputs: Int, kernel: Int, padding: Int = 0, bias: Bool, using generator: Generator
  ) {
    let weight = uniformByFanIn([outputs, inputs, kernel, kernel], using: generator)
    self.init(
      weight: Parameter(weight), bias: bias ? Parameter(.zeros([outputs])) : nil, stride: 1, padding: padding)
  }
}

extension Linear {
  /// With weights of N(0, deviation²) and a bias of 0.
  convenience init(_ inputs: Int, _ outputs: Int, deviation: Double, using generator: Generator) {
    self.init(
      weight: Parameter(.normal([outputs, inputs], deviation: deviation, using: generator)),
      bias: Parameter(.zeros([outputs])))
  }

  /// With weights of U(±√(3 / inputs)), which Caffe2 calls Xavier's, and a bias of 0.
  convenience init(byFanIn inputs: Int, _ outputs: Int, using generator: Generator) {
    self.init(
      weight: Parameter(uniformByFanIn([outputs, inputs], using: generator)),
      bias: Parameter(.zeros([outputs])))
  }
}

private func uniformByFanIn(_ shape: [Int], using generator: Generator) -> Tensor {
  let bound = (3 / Double(shape.dropFirst().reduce(1, *))).squareRoot()
  return .uniform(shape, low: -bound, high: bound, using: generator)
}
