import TestSupport
import Testing
import Torch

/// A dilated kernel is a larger one with zeros between its places. With as many channels as here the weight's gradient is
/// a product for each place.
@Suite struct DilatedConvolutions {
  struct Case: Sendable, CustomTestStringConvertible {
    let image, padding, dilation: Size2D
    var outputs = 80

    var testDescription: String { "\(image), padding \(padding), dilation \(dilation), \(outputs) outputs" }
  }

  /// The fourth has a map so small that most places lie beside it. Those with other outputs are Winograd's in float32.
  static let cases = [
    Case(image: [7, 9], padding: 2, dilation: 2), Case(image: [8, 9], padding: [1, 0], dilation: [3, 2]),
    Case(image: [9, 4], padding: [3, 1], dilation: [2, 1]), Case(image: [4, 3], padding: 6, dilation: 6),
    Case(image: [17, 19], padding: 2, dilation: 2, outputs: 64),
    Case(image: [19, 23], padding: 0, dilation: 2, outputs: 32),
    Case(image: [21, 20], padding: 6, dilation: 6, outputs: 96),
    Case(image: [15, 14], padding: 3, dilation: 2, outputs: 64),
    Case(image: [40, 37], padding: 2, dilation: 2, outputs: 32),
  ]

  /// Sums of some thousand numbers of size 1 at most: within 1e-12 of the largest in float64, 1e-5 in float32.
  @Test(arguments: cases, [DType.float32, .float64])
  func haveTheGradientsOfTheKernelWithZeros(given: Case, dtype: DType) throws {
    let weight = formula(salt: 2, shape: [given.outputs, 64, 3, 3]).to(dtype)
    let places = (0..<3).flatMap { i in (0..<3).map { (i, $0) } }
    func place(_ kernel: Tensor, _ i: Int, _ j: Int) -> Tensor {
      kernel.narrowed(i..<i + 1, dim: 2).narrowed(j..<j + 1, dim: 3)
    }
    let (down, across) = (given.dilation.height, given.dilation.width)
    let large = Tensor.zeros([given.outputs, 64, 2 * down + 1, 2 * across + 1], dtype: dtype)
    for (i, j) in places { place(large, i * down, j * across).copy(from: place(weight, i, j)) }

    func results(_ kernel: Tensor, dilation: Size2D) throws -> (y: Tensor, input: Tensor, weight: Tensor) {
      let x = formula(salt: 1, shape: [2, 64, given.image.height, given.image.width]).to(dtype)
      x.requiresGrad = true
      let layer = Conv2d(
        weight: Parameter(kernel), bias: nil, padding: given.padding, dilation: dilation)
      let y = layer(x)
      (y * formula(salt: 3, shape: y.shape).to(dtype)).sum().backward()
      return (y.detached(), try #require(x.gradient), try #require(kernel.gradient))
    }
    let dilated = try results(weight, dilation: given.dilation)
    let plain = try results(large, dilation: 1)
    let tolerance = dtype == .float64 ? 1e-12 : 1e-5
    func expectNear(_ own: Tensor, _ theirs: Tensor, _ name: String) {
      #expect(distance(own, theirs) <= tolerance * theirs.abs().max().item(), "\(name)")
    }
    expectNear(dilated.y, plain.y, "result")
    expectNear(dilated.input, plain.input, "gradient of the input")
    let chosen = places.map { i, j in place(plain.weight, i * down, j * across) }
    let joined = Tensor.concatenated(chosen, dim: 3).reshaped([given.outputs, 64, 3, 3])
    expectNear(dilated.weight, joined, "gradient of the weight")
  }
}
