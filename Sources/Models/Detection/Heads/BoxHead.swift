import Torch

/// The layers between a box's pooled features and its scores: 3×3 convolutions with ReLU, then linear layers with ReLU.
final class BoxHead: Module {
  let convs: [ConvNorm]
  let fcs: [Linear]
  /// Size of the outputs.
  let outputs: Int

  /// - Parameters:
  ///   - channels: of the pooled features.
  ///   - resolution: their height and width.
  init(
    _ spec: DetectorSpec.BoxHead, channels: Int, resolution: Int, norm: ResNet.Norm,
    using generator: Generator
  ) {
    var inputs = channels
    convs = (0..<spec.convolutions).map { _ in
      defer { inputs = spec.channels }
      return ConvNorm(
        Conv2d(
          inputs, spec.channels, kernel: 3, padding: 1, bias: !spec.hasNorm, using: generator),
        norm: spec.hasNorm ? norm : nil, hasReLU: true)
    }
    inputs *= resolution * resolution
    fcs = (0..<spec.linears).map { _ in
      defer { inputs = spec.size }
      return Linear(byFanIn: inputs, spec.size, using: generator)
    }
    outputs = inputs
  }

  /// R×C×7×7 → R×``outputs``.
  override func forward(_ x: Tensor) -> Tensor {
    guard x.isDefined else { return x }
    let hidden = convs.reduce(x) { $1($0) }
    // Of no rows a size of −1 could be any.
    let flat = hidden.reshaped([x.shape[0], hidden.shape.dropFirst().reduce(1, *)])
    return fcs.reduce(flat) { reluInPlace($1($0)) }
  }
}
