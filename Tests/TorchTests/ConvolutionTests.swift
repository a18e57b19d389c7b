import Testing
import Torch

/// A square kernel over a batch of images.
struct ConvolutionCase: Sendable, CustomTestStringConvertible {
  let n, inputs, outputs, height, width, kernel, stride, padding: Int

  init(_ n: Int, _ inputs: Int, _ outputs: Int, _ height: Int, _ width: Int, k: Int, s: Int = 1, p: Int = 0) {
    (self.n, self.inputs, self.outputs, self.height, self.width) = (n, inputs, outputs, height, width)
    (kernel, stride, padding) = (k, s, p)
  }

  var testDescription: String {
    "\(n)×\(inputs)×\(height)×\(width) → \(outputs), kernel \(kernel), stride \(stride), padding \(padding)"
  }
  var shape: [Int] { [n, inputs, height, width] }
  var weightShape: [Int] { [outputs, inputs, kernel, kernel] }
  /// Products in a sum of each pass, at most.
  var forwardDepth: Int { kernel * kernel * inputs }
  var inputDepth: Int { kernel * kernel * outputs }
  func weightDepth(_ y: Tensor) -> Int { n * y.shape[2] * y.shape[3] }

  /// Each kind of kernel is fast in its own way; weights of 2²⁰ numbers or more are multiplied in every pass.
  static let all = [
    ConvolutionCase(2, 3, 8, 9, 7, k: 3, p: 1),
    ConvolutionCase(1, 3, 8, 15, 15, k: 7, s: 2, p: 3),
    ConvolutionCase(2, 64, 128, 9, 8, k: 3, s: 2, p: 1),  // the weight's gradient alone
    ConvolutionCase(3, 256, 256, 5, 4, k: 3, p: 1),
    ConvolutionCase(1, 256, 512, 7, 7, k: 3, s: 2, p: 1),
    ConvolutionCase(3, 256, 512, 7, 5, k: 3, s: 2),
    ConvolutionCase(2, 256, 512, 6, 3, k: 3, s: 2, p: 1),
    ConvolutionCase(2, 512, 512, 3, 4, k: 3, p: 1),
    ConvolutionCase(1, 512, 512, 1, 1, k: 3, p: 1),
    ConvolutionCase(3, 512, 512, 4, 3, k: 3, p: 3),
    ConvolutionCase(2, 64, 340, 8, 9, k: 7, s: 2, p: 3),
    ConvolutionCase(2, 257, 512, 5, 5, k: 3),
    ConvolutionCase(43, 256, 512, 9, 9, k: 3, s: 2, p: 1),  // more patches than are gathered at once
    ConvolutionCase(160, 33, 40, 33, 33, k: 3, s: 2, p: 1),  // the same with AVX2
    ConvolutionCase(5, 17, 9, 7, 6, k: 1),
    ConvolutionCase(1, 64, 64, 5, 5, k: 1),
    ConvolutionCase(2, 1024, 1031, 3, 3, k: 1),
    ConvolutionCase(3, 256, 512, 7, 5, k: 1, s: 2),
    ConvolutionCase(3, 40, 36, 7, 5, k: 1, s: 2),  // gathered with AVX2, as 16 does not divide the channels
    ConvolutionCase(2, 256, 512, 3, 4, k: 1, p: 1),
    // Winograd's: tiles that reach over the border, blocks of tiles that are not full, all paddings
    ConvolutionCase(3, 32, 32, 9, 8, k: 3, p: 1),
    ConvolutionCase(2, 64, 64, 17, 16, k: 3),
    ConvolutionCase(3, 64, 32, 7, 12, k: 3, p: 2),
    ConvolutionCase(1, 96, 64, 20, 21, k: 3, p: 1),
    ConvolutionCase(4, 128, 128, 16, 16, k: 3, p: 1),
    ConvolutionCase(3, 256, 512, 19, 19, k: 3, p: 1),
    ConvolutionCase(130, 32, 32, 1, 1, k: 3, p: 1),
    // with AVX2 16 channels at a time
    ConvolutionCase(3, 16, 48, 9, 8, k: 3, p: 1),
    ConvolutionCase(5, 48, 16, 12, 19, k: 3, p: 2),
    ConvolutionCase(9, 16, 16, 24, 24, k: 3, p: 1),
    // and in tiles of 4 × 4 results
    ConvolutionCase(8, 64, 32, 19, 16, k: 3),
    ConvolutionCase(8, 32, 64, 15, 18, k: 3, p: 2),
    // with AVX2 by definition: sizes that sums of 6 pixels or weights do not divide, pixels that no place of
    // the kernel sees, kernels beyond the border
    ConvolutionCase(3, 3, 16, 9, 7, k: 3, p: 1),
    ConvolutionCase(33, 3, 16, 24, 24, k: 3, p: 1),  // in several blocks
    ConvolutionCase(1, 3, 48, 10, 11, k: 3),
    ConvolutionCase(5, 16, 32, 24, 24, k: 3, s: 2, p: 1),
    ConvolutionCase(2, 16, 48, 9, 12, k: 3, s: 2, p: 1),
    ConvolutionCase(1, 48, 16, 8, 7, k: 3, s: 2),
    ConvolutionCase(4, 16, 32, 13, 3, k: 5, s: 3, p: 4),
    ConvolutionCase(1, 16, 16, 1, 1, k: 3, s: 2, p: 1),
    ConvolutionCase(3, 16, 32, 12, 11, k: 1, s: 2),
    ConvolutionCase(1, 32, 48, 7, 9, k: 1, s: 2, p: 1),
  ]
}

/// What is fast in float32 is compared with LibTorch's float64, which takes another way.
@Suite struct FastConvolution {
  struct Results { let y, x, weight: Tensor }

  private static func leaf(_ x: Tensor) -> Tensor {
    let leaf = x.detached().clone()
    leaf.requiresGrad = true
    return leaf
  }

  static func results(
    _ given: ConvolutionCase, _ dtype: DType, layout: MemoryLayout4D = .channelsLast
  ) -> Results {
    // Values that float32 holds exactly, drawn once.
    let generator = Generator(seed: 7)
    let values = [given.shape, given.weightShape].map { Tensor.normal($0, using: generator).to(.float32) }
    let x = leaf(values[0].to(dtype).contiguous(layout))
    let weight = Parameter(values[1].to(dtype).contiguous(layout))
    let y = Conv2d(weight: weight, bias: nil, stride: given.stride, padding: given.padding)(x)
    let slope = Tensor.normal(y.shape, using: generator).to(.float32).to(dtype)
    (y * slope).sum().backward()
    return Results(y: y.detached(), x: x.gradient!, weight: weight.tensor.gradient!)
  }

  /// ‖a − b‖ / ‖b‖; infinite where shapes differ.
  private static func error(_ a: Tensor, _ b: Tensor) -> Double {
    a.shape == b.shape ? (a.to(.float64) - b).norm().item() / b.norm().item() : .infinity
  }

  @Test(arguments: ConvolutionCase.all)
  func agreesWithDoublePrecisionForwardAndBackward(given: ConvolutionCase) {
    let expected = FastConvolution.results(given, .float64)
    // Rounding of a sum of K products, in whatever order, is a random walk: about √K · 2⁻²⁴ of its norm. Winograd's sums
    // before and after the products round too; its errors are those of docs/decisions/0019, and below this.
    func tolerance(_ depth: Int) -> Double { max(4, Double(depth).squareRoot()) * 0x1p-24 }
    for library in ProductLibrary.available {
      for layout in [MemoryLayout4D.channelsLast, .contiguous] {
        let fast = withProducts(by: library) { FastConvolution.results(given, .float32, layout: layout) }
        let error = FastConvolution.error
        #expect(error(fast.y, expected.y) < tolerance(given.forwardDepth))
        #expect(error(fast.x, expected.x) < tolerance(given.inputDepth))
        #expect(error(fast.weight, expected.weight) < tolerance(given.weightDepth(expected.y)))
      }
    }
  }

  @Test(arguments: ConvolutionCase.all)
  func computesTheSameBitsAgain(given: ConvolutionCase) {
    let one = FastConvolution.results(given, .float32), other = FastConvolution.results(given, .float32)
    #expect(distance(one.y, other.y) == 0)
    #expect(distance(one.x, other.x) == 0)
    #expect(distance(one.weight, other.weight) == 0)
  }

  /// Of input and weight either may be without a gradient, and both.
  @Test(arguments: [
    ConvolutionCase(3, 256, 512, 5, 5, k: 3, s: 2, p: 1), ConvolutionCase(2, 9, 5, 4, 4, k: 1),
    ConvolutionCase(3, 32, 32, 9, 8, k: 3, p: 1),
  ])
  func differentiatesOnlyWhatIsAsked(given: ConvolutionCase) {
    let expected = FastConvolution.results(given, .float32)
    let generator = Generator(seed: 7)
    let x = Tensor.normal(given.shape, using: generator).to(.float32).contiguous(.channelsLast)
    let weight = Tensor.normal(given.weightShape, using: generator).to(.float32).contiguous(.channelsLast)
    let slope = Tensor.normal(expected.y.shape, using: generator).to(.float32)
    func layer(isFixed: Bool) -> Conv2d {
      Conv2d(
        weight: Parameter(weight.clone(), isFixed: isFixed), bias: nil, stride: given.stride,
        padding: given.padding)
    }

    let learned = layer(isFixed: false)
    (learned(x) * slope).sum().backward()
    #expect(distance(learned.weight.tensor.gradient, expected.weight) == 0)
    #expect(x.gradient == nil)

    let fixed = layer(isFixed: true), input = FastConvolution.leaf(x)
    (fixed(input) * slope).sum().backward()
    #expect(distance(input.gradient, expected.x) == 0)
    #expect(fixed.weight.tensor.gradient == nil)

    let y = withNoGrad { learned(x) }
    #expect(distance(y, expected.y) == 0)
    #expect(!y.requiresGrad)
  }
}
