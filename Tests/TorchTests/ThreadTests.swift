import Foundation
import Testing
import Torch

/// The same bits with any number of threads. Sizes are above LibTorch's grain of 32,768 elements where it
/// matters, and no multiple of a vector or of a number of threads.
@Suite struct ThreadNumbers {
  /// A computation of one or more tensors, from equal random numbers each time.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let results: @Sendable (Generator) -> [Tensor]

    init(_ name: String, _ results: @escaping @Sendable (Generator) -> [Tensor]) {
      (testDescription, self.results) = (name, results)
    }

    /// Of a module applied to random numbers: its result, and the gradients of these and of its parameters.
    init(_ name: String, _ shape: [Int], _ module: @escaping @Sendable (Generator) -> Module) {
      self.init(name) { generator in
        let module = module(generator)
        let x = Tensor.normal(shape, using: generator).to(.float32)
        x.requiresGrad = true
        let y = module(x)
        (y * Tensor.normal(y.shape, using: generator).to(.float32)).sum().backward()
        return [y.detached(), x.gradient!] + module.parameters.map { $0.gradient! }
      }
    }

    static func convolution(
      _ shape: [Int], _ outputs: Int, _ kernel: Int, stride: Int = 1, bias: Bool = false
    ) -> Case {
      Case("\(shape) → \(outputs), kernel \(kernel), stride \(stride)", shape) {
        Conv2d(
          shape[1], outputs, kernel: kernel, stride: stride, padding: kernel / 2, bias: bias, using: $0)
      }
    }
  }

  /// Matrix products, and the operations and gradients that are made of them.
  static let products: [Case] = [
    .convolution([17, 64, 16, 15], 96, 3, stride: 2),
    .convolution([16, 64, 16, 16], 120, 1, stride: 2),
    .convolution([16, 64, 16, 16], 64, 1),
    .convolution([2, 256, 16, 16], 64, 1),
    .convolution([3, 512, 4, 4], 1024, 1),
    Case("a linear layer", [999, 384]) { Linear(384, 513, using: $0) },
    Case("a wide linear layer", [999, 128]) { Linear(128, 1700, using: $0) },
    Case("a linear layer of few rows", [5, 2048]) { Linear(2048, 1000, using: $0) },
    Case("products") { generator in
      let (a, b) = (
        Tensor.normal([65, 200_003], using: generator), Tensor.normal([200_003, 33], using: generator)
      )
      return [a.matmul(b), a.to(.float32).matmul(b.to(.float32))]
    },
    Case("a large weight's gradient") { generator in  // its sums are cut too, as far as their parts have room
      let (dy, x) = (
        Tensor.normal([33_801, 520], using: generator), Tensor.normal([33_801, 96], using: generator)
      )
      return [dy.to(.float32).transposed.matmul(x.to(.float32))]
    },
    Case("products of batches") { generator in  // DenseCL's: the last maps of a ResNet-18 of 224 pixels
      let maps = (0..<2).map { _ in Tensor.normal([64, 49, 512], using: generator).to(.float32) }
      let wide = maps.map { $0.reshaped([14, 224, 512]) }
      return [
        maps[0].matmul(maps[1].transposed),
        maps[0].matmul(maps[1].permuted([0, 2, 1]).contiguous()),
        wide[0].matmul(wide[1].transposed),
      ]
    },
    Case("a dilated convolution", [4, 64, 21, 21]) {
      Conv2d(64, 96, kernel: 3, padding: 6, dilation: 6, using: $0)
    },
    Case("a transposed convolution", [9, 64, 14, 14]) {
      ConvTranspose2d(64, 48, kernel: 2, stride: 2, using: $0)
    },
    Case("a transposed convolution whose windows meet", [9, 64, 14, 14]) {
      ConvTranspose2d(64, 17, kernel: 4, stride: 2, padding: 1, using: $0)
    },
  ]

  static let others: [Case] = [
    .convolution([33, 3, 32, 31], 16, 3),
    .convolution([33, 16, 13, 15], 48, 3, stride: 2),
    .convolution([64, 32, 23, 24], 48, 1, stride: 2),
    .convolution([20, 64, 16, 16], 64, 3),
    .convolution([6, 256, 4, 4], 256, 3),
    .convolution([16, 3, 32, 32], 384, 8, stride: 8, bias: true),
    Case("layer normalisation", [37, 17, 384]) { _ in LayerNorm(384) },
    Case("batch normalisation of rows", [130, 1001]) { _ in BatchNorm1d(1001) },
    Case("batch normalisation without weights", [130, 1001]) { _ in BatchNorm1d(1001, affine: false) },
    Case("batch normalisation of images", [10, 65, 9, 9]) { _ in BatchNorm2d(65, groups: 2) },
    Case("batch normalisation of bfloat16") { generator in
      let (norm, x) = (
        BatchNorm2d(65, groups: 2), Tensor.normal([10, 65, 9, 9], using: generator).to(.bfloat16)
      )
      x.requiresGrad = true
      let y = norm.batchNormReLU(x)
      (y * y).sum().backward()
      return [y.detached(), x.gradient!, norm.weight.tensor.gradient!]
    },
    Case("sums") { generator in
      let x = Tensor.normal([77, 1301], using: generator).to(.float32)
      let flat = x.reshaped([1, -1])
      return [x.sum(), x.mean(), x.norm(), x.pow(2).sum(), flat.sum(dim: 1), x.sum(dim: 0), x.mean(dim: 1)]
    },
    Case("attention") { generator in
      let parts = (0..<3).map { _ in Tensor.normal([5, 3, 65, 32], using: generator).to(.float32) }
      for part in parts { part.requiresGrad = true }
      let y = attention(parts[0], parts[1], parts[2])
      (y * y).sum().backward()
      return [y.detached()] + parts.map { $0.gradient! }
    },
    Case("losses") { generator in
      let x = Tensor.normal([129, 1025], using: generator).to(.float32)
      x.requiresGrad = true
      let loss =
        crossEntropy(x, .zeros([129], dtype: .int64)) + l2Normalized(x).logSumExp(dim: 1).mean()
        + gelu(x).logSigmoid().mean()
      loss.backward()
      return [loss.detached(), x.gradient!]
    },
    Case("losses of boxes and masks") { generator in
      let x = Tensor.normal([77, 1301], using: generator).to(.float32)
      let target = Tensor.uniform([77, 1301], using: generator).to(.float32)
      x.requiresGrad = true
      let loss =
        binaryCrossEntropyWithLogits(x, target) + smoothL1(x, target, beta: 0)
        + smoothL1(x.sigmoid(), target, beta: 0.5) + logSoftmax(x, dim: 1).sum()
      loss.backward()
      return [loss.detached(), x.gradient!]
    },
    Case("colours in Lab") { generator in
      [lab(sRGB: .uniform([7, 3, 67, 71], using: generator).to(.float32))]
    },
    Case("enlarging") { generator in
      let x = Tensor.normal([3, 40, 19, 23], using: generator).to(.float32).contiguous(.channelsLast)
      x.requiresGrad = true
      let all = [Upsampling.nearest, .bilinear, .bilinearAligningCorners, .bicubic].map {
        interpolated(x, height: 41, width: 37, mode: $0)
      }
      for y in all { (y * y).sum().backward() }
      return all.map { $0.detached() } + [x.gradient!]
    },
    Case("the loss of enlarged logits") { generator in
      let x = Tensor.normal([3, 21, 19, 23], using: generator).to(.float32)
      let labels = Tensor.uniform([3, 301, 307], high: 21, using: generator).floor().to(.int64)
      x.requiresGrad = true
      let loss = enlargedCrossEntropy(x, labels, ignoring: 20, alignsCorners: false)
      loss.backward()
      return [loss.detached(), x.gradient!, enlargedArgMax(x, height: 301, width: 307, alignsCorners: true)]
    },
    Case("nearest rows and their products") { generator in
      let x = Tensor.normal([37, 128], using: generator)
      let rows = Tensor.normal([5003, 128], using: generator)
      x.requiresGrad = true
      let near = nearestRows(to: x.detached(), in: rows, count: 777)
      let products = rowProducts(x, rows, at: near.indices)
      (products * products).sum().backward()
      return [near.products, near.indices, products.detached(), x.gradient!]
    },
    Case("sums of clusters") { generator in
      let sums = Tensor.zeros([1162, 128])
      let clusters = Tensor.uniform([50_001], high: 1162, using: generator).floor().to(.int64)
      sums.indexAdd(clusters, Tensor.normal([50_001, 128], using: generator))
      return [sums]
    },
    Case("eigenvalues") { generator in
      let x = Tensor.normal([200, 200], using: generator)
      return [(x + x.permuted([1, 0])).symmetricEigenvalues()]
    },
  ]

  @Test(arguments: others) func doNotChangeAnyBit(given: Case) { expectEqualBits(given) }

  @Test(arguments: ProductLibrary.available, products)
  func doNotChangeAnyBitOfProducts(by library: ProductLibrary, given: Case) {
    withProducts(by: library) { expectEqualBits(given) }
  }

  private func expectEqualBits(_ given: Case) {
    let before = Runtime.threads
    defer { Runtime.threads = before }
    func bytes(_ threads: Int) -> [Data] {
      Runtime.threads = threads
      return given.results(Generator(seed: 3)).map { $0.withUnsafeBytes { Data($0) } }
    }
    let one = bytes(1)
    for threads in 2...4 { #expect(bytes(threads) == one, "\(threads) threads") }
  }
}
