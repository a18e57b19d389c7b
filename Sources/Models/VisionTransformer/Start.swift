import Torch

extension VisionTransformer {
  /// The method whose first weights and positions a network has.
  public enum Start: Sendable {
    /// Chen, Xie, He 2021: *q*, *k* and *v* are drawn as three matrices, the class token with a deviation of 1e-6;
    /// positions have the row first.
    case mocoV3
    /// He et al. 2021: *q*, *k* and *v* are one matrix, the tokens have a deviation of 0.02; positions have the column
    /// first.
    case mae

    /// The standard deviation of a token of its own.
    var tokenDeviation: Double { self == .mocoV3 ? 1e-6 : 0.02 }

    /// The outputs that Glorot's distribution counts in the layer of *q*, *k* and *v*.
    func attentionOutputs(width: Int) -> Int { self == .mocoV3 ? width : 3 * width }

    /// The position embedding of a square grid of patches, 1×(1+side²)×width in float32.
    func positions(side: Int, width: Int) -> Tensor {
      switch self {
      case .mocoV3: sineCosinePositions(side: side, width: width)
      case .mae: sineCosinePositions(side: side, width: width, columnFirst: true, dtype: .float64)
      }
    }
  }
}

/// The position embedding of a square grid of patches, in two dimensions (Chen, Xie, He 2021, section 5): for
/// ω = 10000^(−i/n), i = 0 …< n, a quarter of the channels each is sin(row·ω), cos(row·ω), sin(column·ω),
/// cos(column·ω). The class token's is 0. → 1×(1+side²)×width in float32
/// - Parameters:
///   - columnFirst: Whether the column's channels come before the row's, as in masked auto-encoders.
///   - dtype: The type that it is computed in.
func sineCosinePositions(
  side: Int, width: Int, columnFirst: Bool = false, dtype: DType = .float32
) -> Tensor {
  precondition(
    width.isMultiple(of: 4), "\(width) channels do not divide into sines and cosines of two places")
  // In the types of the published codes and by LibTorch, rounding for rounding: positions that are off by one
  // unit in the last place change the loss of a third step by some 1e-6.
  let count = width / 4
  let exponents = Tensor.arange(count, dtype: dtype) / Double(count)
  let frequencies = exponents.power(of: 10000).pow(-1)  // n
  let angles = Tensor.arange(side, dtype: dtype).reshaped([side, 1]) * frequencies  // side×n
  let waves = Tensor.concatenated([angles.sin(), angles.cos()], dim: 1)  // side×2n
  let rows = waves.reshaped([side, 1, 2 * count]).expanded([side, side, 2 * count])
  let columns = waves.reshaped([1, side, 2 * count]).expanded([side, side, 2 * count])
  let grid = Tensor.concatenated(columnFirst ? [columns, rows] : [rows, columns], dim: 2)
    .reshaped([side * side, width]).to(.float32)
  return Tensor.concatenated([.zeros([1, width]), grid]).reshaped([1, 1 + side * side, width])
}
