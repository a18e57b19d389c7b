import Torch

/// Makes a sequence of an image's patches of P×P pixels: N×3×H×W → N×(H/P·W/P)×C.
final class PatchEmbedding: Module {
  let proj: Module

  /// One linear map of each patch, drawn by Glorot's uniform distribution, with a bias of 0.
  /// - Parameters:
  ///   - size: P.
  ///   - isFixed: whether it stays as it is drawn.
  init(projectionTo width: Int, size: Int, isFixed: Bool, using generator: Generator) {
    let weight = xavierUniform(
      [width, 3, size, size], fanIn: 3 * size * size, fanOut: width, using: generator)
    proj = Conv2d(
      weight: Parameter(weight, isFixed: isFixed), bias: Parameter(.zeros([width]), isFixed: isFixed),
      stride: size)
  }

  /// Patches of 16 pixels: four 3×3 convolutions with stride 2, each followed by batch normalisation and ReLU, that end `width`
  /// channels wide and start with an eighth of it; then a 1×1 convolution (Xiao et al. 2021, section 4).
  /// - Parameter bnGroups: groups of every batch normalisation; see `BatchNorm2d`.
  init(convolutionsTo width: Int, bnGroups: Int, using generator: Generator) {
    precondition(width.isMultiple(of: 8), "a stem to \(width) channels cannot double thrice")
    var layers: [Module] = []
    var inputs = 3
    for outputs in [width / 8, width / 4, width / 2, width] {
      layers += [
        Conv2d(inputs, outputs, kernel: 3, stride: 2, padding: 1, using: generator),
        BatchNorm2d(outputs, groups: bnGroups), ReLU(),
      ]
      inputs = outputs
    }
    layers.append(Conv2d(width, width, kernel: 1, bias: true, using: generator))
    proj = Sequential(layers)
  }

  override func forward(_ x: Tensor) -> Tensor {
    let y = proj(x).permuted([0, 2, 3, 1])  // N×H/P×W/P×C
    let shape = y.shape
    guard shape.count == 4 else { return y }  // undefined after an error, which withTorchErrors reports
    return y.reshaped([shape[0], shape[1] * shape[2], shape[3]])
  }
}
