import TestSupport
import Testing
@testable import Torch

@Suite struct Precisions {
  /// 1 + 2⁻⁸ lies halfway between 1 and its neighbour in bfloat16, and goes to the even one, 1.
  private let between = 1 + 0x1p-8

  @Test func productsAreRoundedToBfloat16InsideAndNotOutside() {
    let (a, b) = (Tensor.full(between, [2, 3]), Tensor.ones([3, 2]))
    let rounded = withPrecision(.bfloat16, on: .cpu) { a.matmul(b) }
    #expect(rounded.dtype == .bfloat16)
    #expect(rounded.to(.float64).array(of: Double.self) == [3, 3, 3, 3])
    let exact = a.matmul(b)
    #expect(exact.dtype == .float32)
    #expect(exact.to(.float64).array(of: Double.self) == Array(repeating: 3 * between, count: 4))
  }

  @Test func anInnerScopeDecidesAndTheOuterOneGoesOn() {
    let (a, b) = (Tensor.full(between, [1, 1]), Tensor.ones([1, 1]))
    let dtypes = withPrecision(.bfloat16, on: .cpu) {
      let before = a.matmul(b).dtype
      let inner = withPrecision(.float32, on: .cpu) { a.matmul(b).dtype }
      return [before, inner, a.matmul(b).dtype]
    }
    #expect(dtypes == [.bfloat16, .float32, .bfloat16])
    #expect(a.matmul(b).dtype == .float32)
  }

  @Test func weightsAndTheirGradientsStayFloat32() throws {
    let layer = Linear(4, 3, using: Generator(seed: 1))
    let x = formula(salt: 1, shape: [5, 4]).to(.float32)
    let y = withPrecision(.bfloat16, on: .cpu) { layer(x) }
    y.to(.float32).sum().backward()
    let gradient = try #require(layer.weight.tensor.gradient)
    #expect(y.dtype == .bfloat16)
    #expect(layer.weight.tensor.dtype == .float32 && gradient.dtype == .float32)
    // Each is the sum of five numbers of x, below 1, rounded to 2⁻⁹ of themselves, and again as a sum below 5.
    let expected = x.sum(dim: 0).reshaped([1, 4]).expanded([3, 4])
    #expect(distance(gradient.to(.float64), expected.to(.float64)) < 5 * 0x1p-9 + 5 * 0x1p-9)
  }

  /// A weight that changed in place after one scope must not be remembered by the next one.
  @Test func everyScopeSeesTheWeightsAsTheyAre() {
    let layer = Linear(1, 1, using: Generator(seed: 1))
    let results = [2.0, 3.0].map { value in
      withNoGrad {
        layer.weight.tensor.fill(value)
        layer.bias?.tensor.fill(0)
      }
      return withPrecision(.bfloat16, on: .cpu) { layer(Tensor.ones([1, 1])) }.to(.float32).item()
    }
    #expect(results == [2, 3])
  }

  @Test(arguments: [1, 2], [false, true])
  func batchNormalisationKeepsItsStatisticsInFloat32(groups: Int, rectified: Bool) {
    let given = NormCase(n: 4, channels: 3, height: 5, width: 5, groups: groups)
    let (narrow, wide) = (
      BatchNormalisation.layer(given, dtype: .float32), BatchNormalisation.layer(given, dtype: .float32)
    )
    let x = BatchNormalisation.input(given).to(.bfloat16).contiguous(.channelsLast)
    func output(_ layer: BatchNorm2d, _ x: Tensor) -> Tensor { rectified ? layer.batchNormReLU(x) : layer(x) }
    let (y, expected) = (output(narrow, x), output(wide, x.to(.float32)))
    #expect(y.dtype == .bfloat16 && y.isContiguous(.channelsLast))
    // The input is the same; the output, below 8, is rounded to 2⁻⁹ of itself.
    #expect(distance(y.to(.float64), expected.to(.float64)) < 8 * 0x1p-9)
    #expect(narrow.runningMean.tensor.dtype == .float32 && narrow.runningVar.tensor.dtype == .float32)
    // Sums of 100 float32 numbers, in different orders.
    #expect(distance(narrow.runningMean.tensor.to(.float64), wide.runningMean.tensor.to(.float64)) < 1e-5)
    #expect(distance(narrow.runningVar.tensor.to(.float64), wide.runningVar.tensor.to(.float64)) < 1e-5)
  }

  @Test func directionsAreFloat32AndOfLengthOne() {
    let x = formula(salt: 3, shape: [4, 16]).to(.bfloat16)
    let y = l2Normalized(x)
    #expect(y.dtype == .float32)
    // A bfloat16 length would be off by up to 2⁻⁹.
    #expect(distance(y.norm(dim: 1).to(.float64).array(of: Double.self), [1, 1, 1, 1]) < 1e-6)
    #expect(l2Normalized(x.to(.float64)).dtype == .float64)
  }
}

/// One count at a time: the suite is serialized.
@Suite(.serialized) struct CountedWork {
  @Test func aFastConvolutionCountsAsTheSameWork() throws {
    let given = ConvolutionCase(2, 256, 512, 4, 4, k: 3, p: 1)
    func work(_ dtype: DType) throws -> Work {
      try Work.counted { _ = FastConvolution.results(given, dtype) }
    }
    let operations = Double(2 * (2 * 4 * 4 * 512) * 9 * 256)  // of each of three passes
    #expect(try work(.float32).operations == 3 * operations)
    #expect(try work(.float64).operations == 3 * operations)
  }

  @Test func aConvolutionForwardAndBackward() throws {
    let layer = Conv2d(3, 4, kernel: 3, stride: 2, padding: 1, using: Generator(seed: 1))
    let x = Tensor.ones([2, 3, 8, 8])
    x.requiresGrad = true
    // 2×4×4×4 results, each a sum of 3·3·3 products.
    let once = Double(2 * (2 * 4 * 4 * 4) * 27)
    let all = Double(4 * (2 * 3 * 8 * 8 + 4 * 27 + 2 * 4 * 4 * 4))  // bytes of input, weight and output
    var y = x
    let forward = try Work.counted { y = layer(x) }
    #expect(y.shape == [2, 4, 4, 4])
    #expect(forward == Work(operations: once, bytes: all))
    let backward = try Work.counted { y.sum().backward() }
    #expect(backward == Work(operations: 2 * once, bytes: 2 * all))
  }

  @Test func aLinearLayerForwardAndBackward() throws {
    let layer = Linear(5, 7, using: Generator(seed: 1))
    let x = Tensor.ones([3, 5])
    x.requiresGrad = true
    let work = try Work.counted { layer(x).sum().backward() }
    let (products, numbers) = (3 * 5 * 7, 3 * 5 + 5 * 7 + 3 * 7)  // of each of three passes
    #expect(work == Work(operations: Double(3 * 2 * products), bytes: Double(3 * 4 * numbers)))
  }

  @Test func whatIsNoProductIsNotCounted() throws {
    let x = Tensor.ones([3, 5])
    #expect(try Work.counted { _ = relu(x + x).sum() } == Work(operations: 0, bytes: 0))
    struct Stop: Error {}
    #expect(throws: Stop.self) { try Work.counted { throw Stop() } }
    #expect(try Work.counted { _ = x.matmul(x.transposed) }.operations == 2 * 3 * 3 * 5)
  }
}
