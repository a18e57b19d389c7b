import TestSupport
import Testing
import Torch

/// What torch.nn.functional makes of the same inputs in float64.
private struct Functions: Decodable {
  struct CrossEntropy: Decodable {
    let logits: [[Double]]
    let targets: [Int]
    let loss: Double
    let gradient: [[Double]]
  }
  struct Normalize: Decodable { let rows, expected: [[Double]] }
  typealias Image = [[[[Double]]]]
  struct MaxPool: Decodable {
    let kernel, stride, padding: Int
    let image, expected, gradientOfSum: Image
  }
  struct AveragePool: Decodable { let image, to1X1: Image }

  let crossEntropy: CrossEntropy
  let normalize: Normalize
  let maxPool2D: MaxPool
  let adaptiveAvgPool2D: AveragePool
}

@Suite struct LayerFunctions {
  private let reference: Functions

  init() throws { reference = try fixture("functions.json") }

  /// Sums of a few dozen numbers around 1 in float64.
  private let tolerance = 1e-14

  private func tensor(_ rows: [[Double]]) -> Tensor {
    Tensor(rows.flatMap { $0 }, shape: [rows.count, rows[0].count])
  }

  private func tensor(_ image: Functions.Image) -> Tensor {
    Tensor(
      image.joined().joined().flatMap { $0 },
      shape: [image.count, image[0].count, image[0][0].count, image[0][0][0].count])
  }

  @Test func crossEntropyAndItsGradient() {
    let logits = tensor(reference.crossEntropy.logits)
    logits.requiresGrad = true
    let loss = crossEntropy(logits, Tensor(reference.crossEntropy.targets))
    loss.backward()
    #expect(loss.shape == [])
    #expect(abs(loss.item() - reference.crossEntropy.loss) < tolerance)
    #expect(distance(logits.gradient, tensor(reference.crossEntropy.gradient)) < tolerance)
  }

  @Test func rowsGetLengthOneAndAZeroRowStaysZero() {
    let rows = l2Normalized(tensor(reference.normalize.rows))
    #expect(distance(rows, tensor(reference.normalize.expected)) < tolerance)
  }

  @Test func softmaxSharesOutOne() {
    let shares = softmax(Tensor([0.0, 0, 0, 0, 1000, -1000], shape: [2, 3]), dim: 1)
    #expect(distance(shares, Tensor([1 / 3.0, 1 / 3.0, 1 / 3.0, 0, 1, 0], shape: [2, 3])) < tolerance)
  }

  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func maxPoolingAndItsGradient(layout: MemoryLayout4D) {
    let expected = reference.maxPool2D
    let image = tensor(expected.image).contiguous(layout)
    image.requiresGrad = true
    let pooled = maxPool2d(
      image, kernel: expected.kernel, stride: expected.stride, padding: expected.padding)
    pooled.sum().backward()
    #expect(distance(pooled, tensor(expected.expected)) == 0)
    #expect(distance(image.gradient, tensor(expected.gradientOfSum)) == 0)
  }

  @Test func averagePoolingTakesTheMeanOfEachChannel() {
    let expected = tensor(reference.adaptiveAvgPool2D.to1X1)
    let pooled = globalAveragePool2d(tensor(reference.adaptiveAvgPool2D.image))
    #expect(pooled.shape == Array(expected.shape.prefix(2)))
    #expect(distance(pooled, expected.reshaped(pooled.shape)) < tolerance)
  }

  @Test func reluKeepsWhatIsPositive() {
    let x = Tensor([-1.0, 0, 2])
    #expect(relu(x).array() == [0.0, 0, 2])
    #expect(x.array() == [-1.0, 0, 2])
    #expect(reluInPlace(x) === x)
    #expect(x.array() == [0.0, 0, 2])
  }

  /// A constant image has nothing to interpolate, and halving a ramp takes triangle-weighted means.
  @Test func resizingAveragesWhatItShrinks() {
    let flat = resizedBilinear(Tensor.full(7, [1, 3, 5, 4], dtype: .uint8), height: 3, width: 9)
    #expect(flat.shape == [1, 3, 3, 9] && flat.dtype == .uint8)
    #expect(Set(flat.array(of: UInt8.self)) == [7])
    let ramp = Tensor([0.0, 1, 2, 3, 4, 5, 6, 7], shape: [1, 1, 1, 8])
    // Centre 2i + ½ with weights 1, 3, 3, 1 over 8; at the edges those inside, over their sum 7.
    let expected = Tensor([5 / 7.0, 2.5, 4.5, 44 / 7.0], shape: [1, 1, 1, 4])
    #expect(distance(resizedBilinear(ramp, height: 1, width: 4), expected) < tolerance)
  }

  /// The definition, written out: H′ = ⌊(H + 2·padding − kernel) / stride⌋ + 1.
  @Test(arguments: [(1, 1, 0, 1), (3, 1, 1, 1), (3, 2, 1, 2), (7, 2, 3, 1)])
  func aConvolutionSumsOverItsWindow(kernel: Int, stride: Int, padding: Int, groups: Int) {
    let layer = Conv2d(
      4, 6, kernel: kernel, stride: stride, padding: padding, groups: groups, bias: true,
      using: Generator(seed: 1))
    layer.convert(to: .float64)
    withNoGrad { layer.bias?.tensor.copy(from: formula(salt: 2, shape: [6])) }
    let height = 8, width = 7
    let x = formula(salt: 1, shape: [2, 4, height, width])
    let xs = x.array(of: Double.self), ws = layer.weight.tensor.array(of: Double.self)
    let bias = formula(salt: 2, shape: [6]).array(of: Double.self)
    let rows = (height + 2 * padding - kernel) / stride + 1
    let columns = (width + 2 * padding - kernel) / stride + 1
    let inputs = 4 / groups, outputs = 6 / groups
    var expected: [Double] = []
    for n in 0..<2 {
      for d in 0..<6 {
        for row in 0..<rows {
          for column in 0..<columns {
            var sum = bias[d]
            for c in 0..<inputs {
              for i in 0..<kernel {
                for j in 0..<kernel {
                  let (y, x) = (row * stride + i - padding, column * stride + j - padding)
                  guard (0..<height).contains(y), (0..<width).contains(x) else { continue }
                  let channel = d / outputs * inputs + c
                  sum +=
                    xs[((n * 4 + channel) * height + y) * width + x]
                    * ws[((d * inputs + c) * kernel + i) * kernel + j]
                }
              }
            }
            expected.append(sum)
          }
        }
      }
    }
    // Sums of up to 200 products around 1.
    #expect(distance(layer(x), Tensor(expected, shape: [2, 6, rows, columns])) < 1e-13)
  }

  @Test func aLinearLayerMultipliesByTheTransposedWeight() {
    let layer = Linear(2, 3, using: Generator(seed: 1))
    withNoGrad {
      layer.weight.tensor.copy(from: Tensor([1.0, 2, 3, 4, 5, 6], shape: [3, 2]))
      layer.bias?.tensor.copy(from: Tensor([10.0, 20, 30]))
    }
    #expect(layer(Tensor([1, -1] as [Float], shape: [1, 2])).array() == [9, 19, 29] as [Float])
  }

  /// LibTorch refuses it for views that a function with a gradient of its own has made.
  @Test func aProductsResultMayBeChangedInPlace() {
    let generator = Generator(seed: 1)
    func compare(_ layer: Module, _ shape: [Int]) {
      let values = Tensor.normal(shape, using: generator).to(.float32)
      func gradient(_ activation: (Tensor) -> Tensor) -> Tensor? {
        let x = values.detached()
        x.requiresGrad = true
        activation(layer(x)).sum().backward()
        return x.gradient
      }
      #expect(distance(gradient(reluInPlace), gradient(relu)!) == 0)
    }
    compare(Linear(3, 4, using: generator), [5, 3])
    compare(Linear(3, 4, using: generator), [2, 5, 3])
    compare(Conv2d(3, 4, kernel: 1, bias: true, using: generator), [2, 3, 4, 4])
  }

  /// float16 ends at 65,504, and whole numbers have no mean of their kind: LibTorch's own rules.
  @Test func meansOfOtherTypesAreLibTorchs() {
    #expect(Tensor([60_000, 60_000] as [Float]).to(.float16).mean().to(.float64).item() == 60_000)
    #expect(Tensor([1, 2, 6] as [Int]).sum().item() == 9)
    #expect(throws: TorchError.self) { try withTorchErrors { _ = Tensor([1, 2, 6] as [Int]).mean() } }
  }
}
