import TestSupport
import Testing
@testable import Torch

/// A batch and how it is normalised.
struct NormCase: Sendable, CustomTestStringConvertible {
  let n, channels, height, width, groups: Int

  var shape: [Int] { [n, channels, height, width] }
  var testDescription: String { "\(n)×\(channels)×\(height)×\(width) in \(groups)" }

  static let all = [
    NormCase(n: 4, channels: 3, height: 2, width: 2, groups: 1),
    NormCase(n: 6, channels: 5, height: 3, width: 1, groups: 3),
    NormCase(n: 8, channels: 3, height: 1, width: 1, groups: 2),
    NormCase(n: 3, channels: 2, height: 1, width: 1, groups: 1),
    NormCase(n: 4, channels: 5, height: 3, width: 3, groups: 4),  // one sample a group
    NormCase(n: 1, channels: 17, height: 4, width: 4, groups: 1),
    NormCase(n: 2, channels: 16, height: 13, width: 11, groups: 2),  // more pixels than a kernel's block
    NormCase(n: 16, channels: 1, height: 2, width: 3, groups: 8),
  ]
}

/// Group g holds the samples ≡ g modulo the number of groups; each is normalised by itself.
@Suite struct BatchNormalisation {
  static let epsilon = 1e-5

  /// The layer with a weight and a bias that tell channels apart, and x far enough from 0 to need its mean.
  static func layer(_ given: NormCase, dtype: DType = .float64) -> BatchNorm2d {
    let layer = BatchNorm2d(given.channels, groups: given.groups)
    layer.convert(to: dtype)
    withNoGrad {
      layer.weight.tensor.copy(from: formula(salt: 2, shape: [given.channels]) + 1.5)
      layer.bias.tensor.copy(from: formula(salt: 3, shape: [given.channels]) * 0.5)
    }
    return layer
  }

  static func input(_ given: NormCase) -> Tensor { formula(salt: 1, shape: given.shape) * 2 + 3 }

  /// Every group by itself, from LibTorch's elementary operations, so that autograd derives the gradients.
  static func composed(_ x: Tensor, _ given: NormCase, _ weight: Tensor, _ bias: Tensor) -> Tensor {
    let parts = (0..<given.groups).map { g -> Tensor in
      let members = x.indexSelected(Tensor(Array(stride(from: g, to: given.n, by: given.groups))))
      let centered = members - members.mean(dims: [0, 2, 3], keepDim: true)
      let variance = centered.pow(2).mean(dims: [0, 2, 3], keepDim: true)
      let channels = [1, given.channels, 1, 1]
      return centered / (variance + epsilon).sqrt() * weight.reshaped(channels) + bias.reshaped(channels)
    }
    let place = (0..<given.n).map { $0 % given.groups * (given.n / given.groups) + $0 / given.groups }
    return Tensor.concatenated(parts).indexSelected(Tensor(place))
  }

  private func leaf(_ x: Tensor) -> Tensor {
    let leaf = x.detached().clone()
    leaf.requiresGrad = true
    return leaf
  }

  @Test(arguments: NormCase.all, [false, true])
  func everyGroupIsNormalisedByItselfForwardAndBackward(given: NormCase, rectified: Bool) {
    let layer = BatchNormalisation.layer(given)
    let slope = formula(salt: 4, shape: given.shape)  // of a loss that treats every element differently
    let x = leaf(BatchNormalisation.input(given))
    let weight = leaf(layer.weight.tensor), bias = leaf(layer.bias.tensor)
    let normalised = BatchNormalisation.composed(x, given, weight, bias)
    let expected = rectified ? relu(normalised) : normalised
    (expected * slope).sum().backward()

    for layout in [MemoryLayout4D.contiguous, .channelsLast] {
      let mine = leaf(BatchNormalisation.input(given).contiguous(layout))
      let y = rectified ? layer.batchNormReLU(mine) : layer(mine)
      (y * slope).sum().backward()
      // float64 with variances near 1: 1e-10 has room for another order of summation and for no mistake.
      #expect(distance(y, expected) < 1e-10)
      #expect(distance(mine.gradient, x.gradient) < 1e-10)
      #expect(distance(layer.weight.tensor.gradient, weight.gradient) < 1e-10)
      #expect(distance(layer.bias.tensor.gradient, bias.gradient) < 1e-10)
      for parameter in layer.parameters { parameter.clearGradient() }
    }
  }

  @Test(arguments: NormCase.all)
  func aShortcutJoinsBeforeTheReLUForwardAndBackward(given: NormCase) {
    let layer = BatchNormalisation.layer(given)
    let slope = formula(salt: 4, shape: given.shape)
    let x = leaf(BatchNormalisation.input(given)), shortcut = leaf(formula(salt: 5, shape: given.shape))
    let weight = leaf(layer.weight.tensor), bias = leaf(layer.bias.tensor)
    let expected = relu(BatchNormalisation.composed(x, given, weight, bias) + shortcut)
    (expected * slope).sum().backward()

    for layout in [MemoryLayout4D.contiguous, .channelsLast] {
      let mine = leaf(BatchNormalisation.input(given).contiguous(layout))
      let beside = leaf(formula(salt: 5, shape: given.shape).contiguous(layout))
      let y = layer.batchNormAddReLU(mine, beside)
      (y * slope).sum().backward()
      #expect(distance(y, expected) < 1e-10)  // as above
      #expect(distance(mine.gradient, x.gradient) < 1e-10)
      #expect(distance(beside.gradient, shortcut.gradient) < 1e-10)
      #expect(distance(layer.weight.tensor.gradient, weight.gradient) < 1e-10)
      #expect(distance(layer.bias.tensor.gradient, bias.gradient) < 1e-10)
      for parameter in layer.parameters { parameter.clearGradient() }
    }
    layer.train(false)
    #expect(distance(layer.batchNormAddReLU(x, shortcut), relu(layer(x) + shortcut)) < 1e-14)
  }

  /// Mean over the groups of each group's mean and unbiased variance, by loops in plain Swift.
  @Test(arguments: NormCase.all)
  func runningStatisticsFollowTheMeanOverTheGroups(given: NormCase) {
    let layer = BatchNormalisation.layer(given)
    let x = BatchNormalisation.input(given)
    _ = withNoGrad { layer(x) }
    let values = x.array(of: Double.self), pixels = given.height * given.width
    var means: [Double] = [], variances: [Double] = []
    for c in 0..<given.channels {
      var mean = 0.0, variance = 0.0
      for g in 0..<given.groups {
        let group = stride(from: g, to: given.n, by: given.groups).flatMap { i -> ArraySlice<Double> in
          let start = (i * given.channels + c) * pixels
          return values[start..<start + pixels]
        }
        let center = group.reduce(0, +) / Double(group.count)
        mean += center / Double(given.groups)
        variance +=
          group.map { ($0 - center) * ($0 - center) }.reduce(0, +) / Double(group.count - 1)
          / Double(given.groups)
      }
      means.append(0.1 * mean)
      variances.append(0.9 + 0.1 * variance)
    }
    #expect(distance(layer.runningMean.tensor.array(), means) < 1e-12)
    #expect(distance(layer.runningVar.tensor.array(), variances) < 1e-12)
    #expect(layer.numBatchesTracked.tensor.item() == 1)
  }

  /// float32 has kernels of its own; a layer of bfloat16 goes by ATen's operations.
  @Test(arguments: [(DType.float32, 1e-5), (.bfloat16, 0.06)], NormCase.all)
  func lesserPrecisionsComeCloseToTheSame(precision: (dtype: DType, tolerance: Double), given: NormCase) {
    // Tolerances: a few units in the last place of numbers up to 6; bfloat16 also rounds the input at 5.
    let layer = BatchNormalisation.layer(given)
    let coarse = BatchNormalisation.layer(given, dtype: precision.dtype)
    let x = BatchNormalisation.input(given).to(precision.dtype)
    withNoGrad {
      let y = coarse.batchNormReLU(x)
      #expect(y.dtype == precision.dtype)
      #expect(distance(y, layer.batchNormReLU(x.to(.float64))) < precision.tolerance)
      #expect(distance(coarse.runningMean.tensor, layer.runningMean.tensor) < precision.tolerance)
      #expect(distance(coarse.runningVar.tensor, layer.runningVar.tensor) < precision.tolerance)
    }
  }

  /// Automatic mixed precision: images in bfloat16, parameters and statistics in float32.
  @Test(arguments: NormCase.all, [false, true])
  func bfloat16IsComputedInFloat32AndRoundedOnce(given: NormCase, hasShortcut: Bool) throws {
    let layer = BatchNormalisation.layer(given, dtype: .float32)
    let exact = BatchNormalisation.layer(given)
    let slope = formula(salt: 4, shape: given.shape).to(.bfloat16)
    let x = leaf(BatchNormalisation.input(given).to(.bfloat16)), wide = leaf(x.to(.float64))
    let shortcut = leaf(formula(salt: 5, shape: given.shape).to(.bfloat16))
    let wideShortcut = leaf(shortcut.to(.float64))
    let y = hasShortcut ? layer.batchNormAddReLU(x, shortcut) : layer.batchNormReLU(x)
    let expected = hasShortcut ? exact.batchNormAddReLU(wide, wideShortcut) : exact.batchNormReLU(wide)
    (y.to(.float64) * slope.to(.float64)).sum().backward()
    (expected * slope.to(.float64)).sum().backward()

    #expect(y.dtype == .bfloat16)
    #expect(isRounded(y, of: expected))
    #expect(isRounded(try #require(x.gradient), of: try #require(wide.gradient)))
    if hasShortcut {
      #expect(isRounded(try #require(shortcut.gradient), of: try #require(wideShortcut.gradient)))
    }
    // Sums of some hundred products of float32.
    #expect(layer.weight.tensor.gradient?.dtype == .float32)
    #expect(distance(layer.weight.tensor.gradient, exact.weight.tensor.gradient) < 1e-4)
    #expect(distance(layer.bias.tensor.gradient, exact.bias.tensor.gradient) < 1e-4)
    #expect(distance(layer.runningMean.tensor, exact.runningMean.tensor) < 1e-5)
    #expect(distance(layer.runningVar.tensor, exact.runningVar.tensor) < 1e-5)
  }

  /// Half a unit of bfloat16's eight bits, and float32's errors of numbers up to 10.
  private func isRounded(_ x: Tensor, of exact: Tensor) -> Bool {
    zip(x.array(of: Double.self), exact.array(of: Double.self)).allSatisfy {
      abs($0 - $1) <= abs($1) / 256 + 1e-5
    }
  }

  @Test(arguments: [1, 2])
  func evaluationUsesTheRunningStatisticsAndLeavesThem(groups: Int) {
    let given = NormCase(n: 2, channels: 3, height: 2, width: 2, groups: groups)
    let layer = BatchNormalisation.layer(given)
    layer.runningMean.tensor.copy(from: Tensor([1.0, 2, 3]))
    layer.runningVar.tensor.copy(from: Tensor([4.0, 9, 0.25]))
    layer.train(false)
    let channels = [1, 3, 1, 1]
    let x = BatchNormalisation.input(given)
    let expected = withNoGrad {
      (x - Tensor([1.0, 2, 3], shape: channels))
        / (Tensor([4.0, 9, 0.25], shape: channels) + BatchNormalisation.epsilon).sqrt()
        * layer.weight.tensor.reshaped(channels) + layer.bias.tensor.reshaped(channels)
    }
    #expect(distance(layer(x), expected) < 1e-14)
    #expect(distance(layer.batchNormReLU(x), relu(expected)) < 1e-14)
    #expect(layer.runningMean.tensor.array() == [1.0, 2, 3])
    #expect(layer.runningVar.tensor.array() == [4.0, 9, 0.25])
    #expect(layer.numBatchesTracked.tensor.item() == 0)
    // A batch of one sample of one pixel, too small to train on, can be evaluated.
    #expect(layer(.ones([1, 3, 1, 1], dtype: .float64)).shape == [1, 3, 1, 1])
  }

  /// A ReLU that made 0 of NaN would hide the divergence from the loss.
  @Test(arguments: [
    (DType.float32, DType.float32), (.float64, .float64), (.bfloat16, .bfloat16), (.bfloat16, .float32),
  ])
  func notANumberStaysOne(images: DType, parameters: DType) {
    let x = Tensor.ones([2, 2, 2, 2], dtype: images)
    x.selected(1).selected(0).fill(.nan)
    for layer in [BatchNorm2d(2), BatchNorm2d(2, groups: 2)] {
      layer.convert(to: parameters)
      let y = withNoGrad { layer.batchNormReLU(x).array(of: Double.self) }
      #expect(y.count == 16)
      #expect(y[8..<12].allSatisfy { $0.isNaN })  // the channel that holds it, in its own group at least
      #expect(y[12..<16].allSatisfy { $0.isFinite })
    }
  }

  @Test(arguments: [
    ([5, 3, 2, 2], 2, "a batch of 5 does not divide into 2 groups"),
    ([2, 3, 1, 1], 2, "one value per channel has no variance: [2, 3, 1, 1] in 2 groups"),
    ([4, 3], 1, "batch normalisation takes N×C×H×W, not [4, 3]"),
    ([4, 5, 2, 2], 1, "batch normalisation of [3] channels cannot take [4, 5, 2, 2]"),
    ([4, 0, 2, 2], 1, "batch normalisation of [3] channels cannot take [4, 0, 2, 2]"),
  ])
  func aBatchThatCannotBeNormalisedIsRefused(shape: [Int], groups: Int, message: String) {
    let layer = BatchNorm2d(3, groups: groups)
    #expect(throws: TorchError(kind: .refused, message: message)) {
      try withTorchErrors { layer(.ones(shape)) }
    }
    #expect(layer.runningMean.tensor.array() == [0, 0, 0] as [Float])
  }
}
