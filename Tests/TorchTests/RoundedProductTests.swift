import TestSupport
import Testing
@testable import Torch

/// Products in bfloat16 beside float32's of the same rounded factors, forward and backward. A result is rounded to 2⁻⁹
/// of itself; twice that leaves room for the order of float32's sums, and for attention's probabilities, which some
/// processors' kernels round too.
@Suite struct RoundedProducts {
  enum Product: CaseIterable {
    case linear, pointwise, strided, spatial, attention

    var shapes: [[Int]] {
      switch self {
      case .linear: [[6, 5, 40], [24, 40], [24]]
      case .pointwise: [[2, 16, 6, 6], [24, 16, 1, 1], [24]]
      case .strided: [[2, 32, 7, 7], [32, 32, 3, 3], [32]]
      case .spatial: [[2, 32, 8, 8], [32, 32, 3, 3], [32]]
      case .attention: [[2, 3, 10, 16], [2, 3, 10, 16], [2, 3, 10, 16]]
      }
    }

    func callAsFunction(_ x: [Tensor]) -> Tensor {
      func convolution(stride: Int, padding: Int) -> Tensor {
        Conv2d(weight: Parameter(x[1]), bias: Parameter(x[2]), stride: stride, padding: padding)(x[0])
      }
      return switch self {
      case .linear: Torch.linear(x[0], weight: x[1], bias: x[2])
      case .pointwise: convolution(stride: 1, padding: 0)
      case .strided: convolution(stride: 2, padding: 1)
      case .spatial: convolution(stride: 1, padding: 1)
      case .attention: Torch.attention(x[0], x[1], x[2])
      }
    }
  }

  private func leaves(_ product: Product) -> [Tensor] {
    product.shapes.enumerated().map { index, shape in
      // Rounded once here, so that both sides have the same factors.
      let x = formula(salt: index + 1, shape: shape).to(.bfloat16).to(.float32)
      x.requiresGrad = true
      return x
    }
  }

  private func error(_ a: Tensor, _ b: Tensor) -> Double {
    (a.to(.float64) - b.to(.float64)).norm().item() / b.to(.float64).norm().item()
  }

  @Test(arguments: Product.allCases)
  func areThoseOfFloat32Rounded(product: Product) throws {
    let (narrow, wide) = (leaves(product), leaves(product))
    let y = withPrecision(.bfloat16, on: .cpu) { product(narrow) }
    let expected = product(wide)
    #expect(y.dtype == .bfloat16)
    #expect(error(y, expected) < 2 * 0x1p-9)
    let slope = formula(salt: 9, shape: y.shape).to(.bfloat16)
    (y * slope).to(.float32).sum().backward()
    (expected * slope.to(.float32)).sum().backward()
    for (a, b) in zip(narrow, wide) {
      let (gradient, reference) = (try #require(a.gradient), try #require(b.gradient))
      #expect(gradient.dtype == .float32)
      #expect(error(gradient, reference) < 4 * 0x1p-9)
    }
  }
}

/// Convolutions in bfloat16 beside float64's of the same rounded factors, number by number. Where the processor has
/// AVX2 and no products in bfloat16, these are Winograd's with tiles of 4 × 4 results, as all are large enough.
@Suite(.enabled(if: Runtime.cpuCapability == "AVX2")) struct RoundedConvolutions {
  struct Case: Sendable, CustomTestStringConvertible {
    let shape: [Int]
    let outputs: Int
    let padding: Size2D
    var dilation: Size2D = 1

    var testDescription: String { "\(shape) → \(outputs), padding \(padding), dilation \(dilation)" }
  }

  /// Sides that four divides and others, all paddings, weights that stay in the cache and larger ones.
  static let cases = [
    Case(shape: [4, 64, 16, 20], outputs: 64, padding: 1),
    Case(shape: [4, 32, 19, 18], outputs: 64, padding: 1),
    Case(shape: [3, 64, 22, 25], outputs: 32, padding: 0),
    Case(shape: [4, 96, 17, 15], outputs: 160, padding: 2),
    Case(shape: [5, 288, 15, 16], outputs: 256, padding: 1),
    Case(shape: [3, 32, 23, 22], outputs: 32, padding: 2, dilation: 2),
    Case(shape: [3, 64, 27, 26], outputs: 64, padding: 0, dilation: 2),
    Case(shape: [4, 32, 21, 20], outputs: 96, padding: 6, dilation: 6),  // the weight's gradient alone
  ]

  private struct Results { let y, x, weight, bias: Tensor }

  private func results(_ given: Case, _ dtype: DType, in precision: Precision) throws -> Results {
    func leaf(_ salt: Int, _ shape: [Int]) -> Tensor {
      // Rounded once here, so that both sides have the same factors.
      let x = formula(salt: salt, shape: shape).to(.bfloat16).to(dtype)
      x.requiresGrad = true
      return x
    }
    let x = leaf(1, given.shape), weight = leaf(2, [given.outputs, given.shape[1], 3, 3])
    let bias = leaf(4, [given.outputs])
    let layer = Conv2d(
      weight: Parameter(weight), bias: Parameter(bias), padding: given.padding, dilation: given.dilation)
    let y = withPrecision(precision, on: .cpu) { layer(x) }
    let slope = formula(salt: 3, shape: y.shape).to(.bfloat16)
    (y * slope.to(y.dtype)).to(dtype).sum().backward()
    return Results(
      y: y.detached(), x: try #require(x.gradient), weight: try #require(weight.gradient),
      bias: try #require(bias.gradient))
  }

  @Test(arguments: cases)
  func areTheSumsOfTheirFactorsRoundedOnce(given: Case) throws {
    let narrow = try results(given, .float32, in: .bfloat16)
    let expected = try results(given, .float64, in: .float32)
    #expect(narrow.y.dtype == .bfloat16)
    /// Rounding to 8 bits changes a number by 2⁻⁸ of itself at most. Before it the sums are off by 2e-6 of their norm
    /// (docs/decisions/0019), and none by more than some times its mean share.
    func expectNear(_ own: Tensor, _ exact: Tensor, _ name: String) {
      let size = exact.abs()
      let excess = ((own.to(.float64) - exact).abs() - size * 0x1p-8).max().item()
      #expect(excess <= 1e-5 * size.max().item(), "\(name)")
    }
    expectNear(narrow.y, expected.y, "result")
    expectNear(narrow.x, expected.x, "gradient of the input")
    expectNear(narrow.weight, expected.weight, "gradient of the weight")
    expectNear(narrow.bias, expected.bias, "gradient of the bias")
  }
}
