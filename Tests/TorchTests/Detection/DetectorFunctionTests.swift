import TestSupport
import Testing
import Torch

/// Operations that detectors need, against torch.nn.functional in float64.
@Suite struct DetectorFunctions {
  private let reference: DetectionFixture

  init() throws { reference = try .load() }

  /// The result, and the gradients of the sum of its products with u(9).
  private func gradients(_ inputs: Tensor..., of function: ([Tensor]) -> Tensor) -> (
    [Double], [[Double]]
  ) {
    for input in inputs { input.requiresGrad = true }
    let y = function(inputs)
    (y * formula(salt: 9, shape: y.shape)).sum().backward()
    return (y.array(), inputs.map { $0.gradient?.array() ?? [] })
  }

  /// Sums of a few dozen products around 1.
  private let tolerance = 1e-13

  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func mapsAreEnlarged(layout: MemoryLayout4D) {
    let modes: [String: Upsampling] = [
      "nearest": .nearest, "bilinear": .bilinear, "bilinear_aligning_corners": .bilinearAligningCorners,
      "bicubic": .bicubic,
    ]
    #expect(reference.upsampling.count == modes.count)
    for expected in reference.upsampling {
      let (y, dx) = gradients(formula(salt: 5, shape: [1, 2, 3, 4]).contiguous(layout)) {
        interpolated($0[0], height: 5, width: 9, mode: modes[expected.mode]!)
      }
      #expect(distance(y, expected.values) < tolerance, "\(expected.mode)")
      #expect(distance(dx[0], expected.gradient) < tolerance, "\(expected.mode)")
    }
    let x = Tensor([1.0, 2, 3, 4], shape: [1, 1, 2, 2]).contiguous(layout)
    let doubled = interpolated(x, scale: 2, mode: .nearest)
    #expect(doubled.array() == [1.0, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
  }

  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func transposedConvolutions(layout: MemoryLayout4D) {
    for expected in reference.transposedConvolution {
      let (y, all) = gradients(
        formula(salt: 6, shape: [2, 3, 3, 2]).contiguous(layout),
        formula(salt: 7, shape: [3, 2, expected.kernel, expected.kernel]), formula(salt: 8, shape: [2])
      ) {
        ConvTranspose2d(
          weight: Parameter($0[1]), bias: Parameter($0[2]), stride: Size2D(expected.stride),
          padding: Size2D(expected.padding))($0[0])
      }
      #expect(distance(y, expected.values) < tolerance, "kernel \(expected.kernel)")
      for (made, gradient) in zip(all, expected.gradients) {
        #expect(distance(made, gradient) < tolerance, "kernel \(expected.kernel)")
      }
    }
  }

  /// The spread of 2,000 draws lies within 4 of its standard errors, √(1 / 4,000).
  @Test func transposedConvolutionsStartWithHesSpreadByTheirInputs() {
    let weight = ConvTranspose2d(20, 25, kernel: 2, stride: 2, using: Generator(seed: 1)).weight.tensor
    #expect(weight.shape == [20, 25, 2, 2])
    let spread = (weight * weight).mean().sqrt().item() / (2.0 / 80).squareRoot()
    #expect(abs(spread - 1) < 4 * (1 / 4000.0).squareRoot())
  }

  @Test func losses() {
    let target = formula(salt: 11, shape: [3, 5])
    let functions: [String: (Tensor) -> Tensor] = [
      "binary_cross_entropy": { binaryCrossEntropyWithLogits($0, target.abs()) },
      "smooth_l1": { smoothL1($0, target, beta: 1.5) },
      "l1": { smoothL1($0, target, beta: 0) },
      "log_softmax": { logSoftmax($0, dim: 1) },
    ]
    #expect(reference.losses.count == functions.count)
    for expected in reference.losses {
      let (y, dx) = gradients((formula(salt: 10, shape: [3, 5]) * 4).detached()) {
        functions[expected.name]!($0[0])
      }
      #expect(distance(y, expected.values) < tolerance, "\(expected.name)")
      #expect(distance(dx[0], expected.gradient) < tolerance, "\(expected.name)")
    }
  }

  /// Without elements a loss is 0 and has a gradient of no elements, so that a batch without a positive can be trained on.
  @Test func lossesOfNoElementsAreZero() {
    let x = Tensor.zeros([0, 4])
    x.requiresGrad = true
    let loss = binaryCrossEntropyWithLogits(x, .zeros([0, 4])) + smoothL1(x, .zeros([0, 4]), beta: 0)
    loss.backward()
    #expect(loss.item() == 0)
    #expect(x.gradient?.shape == [0, 4])
  }

  /// σ(0) = ½, σ(log 3) = ¾; the derivative is σ·(1 − σ).
  @Test func sigmoidAndItsGradient() {
    let x = Tensor([0.0, 1.0986122886681098, -800, 800])
    x.requiresGrad = true
    let y = x.sigmoid()
    y.sum().backward()
    #expect(distance(y.array(), [0.5, 0.75, 0, 1]) < 1e-15)
    #expect(distance(x.gradient?.array() ?? [], [0.25, 0.1875, 0, 0]) < 1e-15)
  }

  @Test func sortingKeepsTheOrderOfEqualOnes() {
    let x = Tensor([2.0, 1, 2, .nan, 1], shape: [5])
    #expect(x.argSorted().array() == [1, 4, 0, 2, 3])
    #expect(x.argSorted(descending: true).array() == [3, 0, 2, 1, 4])
    #expect(Tensor([1.0, 3, 3, 5, 0, 5], shape: [2, 3]).argMax(dim: 1).array() == [1, 0])
  }

  @Test func truthsCombine() {
    let (a, b) = (Tensor([true, true, false, false]), Tensor([true, false, true, false]))
    #expect((a .& b).array() == [true, false, false, false])
    #expect((a .| b).array() == [true, true, true, false])
    #expect((.!a).array() == [false, false, true, true])
    #expect(Tensor([1.0, .nan, .infinity]).isFinite().array() == [true, false, false])
    #expect(Tensor([0.0, 3, 0, 4], shape: [2, 2]).nonzero().array() == [0, 1, 1, 1])
    #expect(Tensor([0.0, 0]).nonzero().shape == [0, 1])
  }

  @Test func extremesAndRepeatedRows() {
    let (a, b) = (Tensor([1.0, 5, -2]), Tensor([3.0, 4, -7]))
    #expect(maximum(a, b).array() == [3.0, 5, -2])
    #expect(a.max().item() == 5 && a.min().item() == -2)
    let sums = Tensor.zeros([3, 2], dtype: .float64)
    sums.indexAdd(Tensor([2, 0, 2]), Tensor([1.0, 2, 3, 4, 5, 6], shape: [3, 2]))
    #expect(sums.array() == [3.0, 4, 0, 0, 6, 8])
    #expect(sums.sum(dims: [0, 1]).item() == 21)
  }
}
