import Torch

// Residual blocks: relu(f(x) + shortcut(x)) (He et al. 2016).

protocol ResidualBlock: StochasticDepthBlock {
  /// The normalisation before the sum.
  var lastNorm: any BatchNormLayer { get }
  var dropPath: DropPath { get }
}

extension ResidualBlock {
  var dropPaths: [DropPath] { [dropPath] }

  /// The end of a block: max(0, normalised `x` + `shortcut`).
  func end(_ x: Tensor, _ shortcut: Tensor) -> Tensor {
    guard dropPath.isActive else { return lastNorm.batchNormAddReLU(x, shortcut) }
    return reluInPlace(dropPath(lastNorm(x)) + shortcut)
  }
}

/// Two 3×3 convolutions.
final class BasicBlock: Module, ResidualBlock {
  let conv1: Conv2d
  let bn1: any BatchNormLayer
  let conv2: Conv2d
  let bn2: any BatchNormLayer
  let downsample: Sequential?
  let dropPath = DropPath()

  init(
    _ inputs: Int, _ width: Int, stride: Int, dilation: Int, norm: ResNet.Norm, using generator: Generator
  ) {
    conv1 = Conv2d(
      inputs, width, kernel: 3, stride: stride, padding: dilation, dilation: dilation, using: generator)
    bn1 = norm.makeLayer(width)
    conv2 = Conv2d(width, width, kernel: 3, padding: dilation, dilation: dilation, using: generator)
    bn2 = norm.makeLayer(width)
    downsample = projection(inputs, width, stride: stride, norm: norm, using: generator)
  }

  var lastNorm: any BatchNormLayer { bn2 }

  override func forward(_ x: Tensor) -> Tensor {
    let hidden = bn1.batchNormReLU(conv1(x))
    return end(conv2(hidden), downsample?(x) ?? x)
  }
}

/// 1×1, 3×3, 1×1; the stride sits on the 3×3, as in torchvision.
final class Bottleneck: Module, ResidualBlock {
  let conv1: Conv2d
  let bn1: any BatchNormLayer
  let conv2: Conv2d
  let bn2: any BatchNormLayer
  let conv3: Conv2d
  let bn3: any BatchNormLayer
  let downsample: Sequential?
  let dropPath = DropPath()

  init(
    _ inputs: Int, _ width: Int, stride: Int, dilation: Int, groups: Int, widthPerGroup: Int,
    norm: ResNet.Norm, using generator: Generator
  ) {
    let inner = width * widthPerGroup / 64 * groups
    let outputs = width * BlockKind.bottleneck.expansion
    conv1 = Conv2d(inputs, inner, kernel: 1, using: generator)
    bn1 = norm.makeLayer(inner)
    conv2 = Conv2d(
      inner, inner, kernel: 3, stride: stride, padding: dilation, dilation: dilation, groups: groups,
      using: generator)
    bn2 = norm.makeLayer(inner)
    conv3 = Conv2d(inner, outputs, kernel: 1, using: generator)
    bn3 = norm.makeLayer(outputs)
    downsample = projection(inputs, outputs, stride: stride, norm: norm, using: generator)
  }

  var lastNorm: any BatchNormLayer { bn3 }

  override func forward(_ x: Tensor) -> Tensor {
    let narrow = bn1.batchNormReLU(conv1(x))
    let hidden = bn2.batchNormReLU(conv2(narrow))
    return end(conv3(hidden), downsample?(x) ?? x)
  }
}

/// The shortcut where the shape changes: a 1×1 convolution and batch normalisation.
private func projection(
  _ inputs: Int, _ outputs: Int, stride: Int, norm: ResNet.Norm, using generator: Generator
) -> Sequential? {
  guard stride != 1 || inputs != outputs else { return nil }
  return Sequential(
    Conv2d(inputs, outputs, kernel: 1, stride: stride, using: generator), norm.makeLayer(outputs))
}
