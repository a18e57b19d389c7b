import Testing
import TestSupport
@testable import Torch

/// Sizes that differ between height and width, and dilation, against sums written out.
@Suite struct ConvolutionSizes {
  struct Case: Sendable, CustomTestStringConvertible {
    let kernel, stride, padding, dilation: Size2D
    let groups: Int

    init(_ kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0, dilation: Size2D = 1, groups: Int = 1) {
      (self.kernel, self.stride, self.padding, self.dilation, self.groups) = (
        kernel, stride, padding, dilation, groups
      )
    }

    var testDescription: String {
      "\(kernel), stride \(stride), padding \(padding), dilation \(dilation), \(groups) groups"
    }
  }

  private static let cases = [
    Case([1, 3], padding: [0, 1]), Case([3, 1], padding: [1, 0]), Case([3, 2]),
    Case(3, stride: [2, 1], padding: 1),
    Case(3, padding: [2, 0]), Case(3, padding: 2, dilation: 2),
    Case(3, stride: 2, padding: [1, 3], dilation: [1, 3]),
    Case([2, 3], stride: [1, 2], padding: [0, 2], dilation: [3, 2], groups: 2), Case(1, dilation: 4),
  ]

  /// y[n, d, i, j] = Σ x[n, c, i·s − p + a·l, j·s − p + b·l] · w[d, c, a, b].
  private func convolution(_ x: Tensor, _ w: Tensor, _ given: Case) -> (shape: [Int], values: [Double]) {
    let (size, kernel, groups) = (x.shape, w.shape, given.groups)
    func outputs(_ length: Int, _ kernel: Int, _ along: KeyPath<Size2D, Int>) -> Int {
      let reach = given.dilation[keyPath: along] * (kernel - 1) + 1
      return (length + 2 * given.padding[keyPath: along] - reach) / given.stride[keyPath: along] + 1
    }
    let shape = [
      size[0], kernel[0], outputs(size[2], kernel[2], \.height), outputs(size[3], kernel[3], \.width),
    ]
    let (xs, ws) = (x.array(of: Double.self), w.array(of: Double.self))
    var values: [Double] = []
    for n in 0..<shape[0] {
      for d in 0..<shape[1] {
        for i in 0..<shape[2] {
          for j in 0..<shape[3] {
            var sum = 0.0
            for c in 0..<kernel[1] {
              let channel = d / (shape[1] / groups) * kernel[1] + c
              for a in 0..<kernel[2] {
                for b in 0..<kernel[3] {
                  let row = i * given.stride.height - given.padding.height + a * given.dilation.height
                  let column = j * given.stride.width - given.padding.width + b * given.dilation.width
                  guard (0..<size[2]).contains(row), (0..<size[3]).contains(column) else { continue }
                  sum +=
                    xs[((n * size[1] + channel) * size[2] + row) * size[3] + column]
                    * ws[((d * kernel[1] + c) * kernel[2] + a) * kernel[3] + b]
                }
              }
            }
            values.append(sum)
          }
        }
      }
    }
    return (shape, values)
  }

  @Test(arguments: cases, [DType.float64, .float32])
  func convolutionsAreTheSumsOfTheirDefinition(given: Case, dtype: DType) {
    let x = formula(salt: 1, shape: [2, 4, 9, 11])
    let w = formula(salt: 2, shape: [6, 4 / given.groups, given.kernel.height, given.kernel.width])
    let layer = Conv2d(
      weight: Parameter(w.to(dtype)), bias: nil, stride: given.stride, padding: given.padding,
      dilation: given.dilation, groups: given.groups)
    let (shape, values) = convolution(x, w, given)
    let y = layer(x.to(dtype).contiguous(.channelsLast))
    #expect(y.shape == shape)
    // Up to 36 products below 1; float32 rounds inputs and sums by 2⁻²⁴ each.
    #expect(distance(y.array(of: Double.self), values) < (dtype == .float64 ? 1e-13 : 1e-5))
  }

  /// A dilated kernel is a larger one with zeros between its elements, in the gradients too.
  @Test func aDilatedConvolutionIsOneWithHoles() {
    let x = formula(salt: 3, shape: [2, 4, 9, 11]), w = formula(salt: 4, shape: [5, 4, 3, 3])
    let holes = Tensor.zeros([5, 4, 5, 7], dtype: .float64)
    withNoGrad {
      for a in 0..<3 {
        for b in 0..<3 {
          holes.narrowed(2 * a..<2 * a + 1, dim: 2).narrowed(3 * b..<3 * b + 1, dim: 3)
            .copy(from: w.narrowed(a..<a + 1, dim: 2).narrowed(b..<b + 1, dim: 3))
        }
      }
    }
    let dilated = Conv2d(weight: Parameter(w), bias: nil, padding: [2, 3], dilation: [2, 3])
    let dense = Conv2d(weight: Parameter(holes), bias: nil, padding: [2, 3])
    let results = [dilated, dense].map { layer in
      let input = x.detached().clone()
      input.requiresGrad = true
      let y = layer(input)
      (y * formula(salt: 5, shape: [2, 5, 9, 11])).sum().backward()
      return (y: y.detached(), x: input.gradient)
    }
    #expect(results[0].y.shape == [2, 5, 9, 11])
    #expect(distance(results[0].y, results[1].y) < 1e-13)
    #expect(distance(results[0].x, results[1].x) < 1e-13)
  }

  @Test func aSizeIsAnIntegerOrAPair() {
    let layer = Conv2d(4, 8, kernel: [1, 7], padding: [0, 3], using: Generator(seed: 1))
    #expect(layer.weight.tensor.shape == [8, 4, 1, 7])
    #expect(layer(.zeros([1, 4, 5, 9])).shape == [1, 8, 5, 9])
    let (kernel, stride) = (3, 2)
    #expect(
      Conv2d(4, 8, kernel: kernel, stride: stride, using: Generator(seed: 1)).weight.tensor.shape == [
        8, 4, 3, 3,
      ])
    #expect(Size2D(3) == [3, 3] && Size2D(height: 1, width: 7) == [1, 7])
  }
}
