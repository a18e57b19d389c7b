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
