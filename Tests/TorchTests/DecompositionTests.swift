import Testing
import Torch

@Suite struct Decompositions {
  @Test func eigenvaluesOfATwoByTwoMatrixAreTheClosedForm() {
    // 4 ± √5, from the trace 8 and the determinant 11.
    let x = Tensor([3.0, 2, 2, 5], shape: [2, 2])
    let values = x.symmetricEigenvalues().array(of: Double.self)
    #expect(values.count == 2)
    // A few roundings of numbers near 6.
    #expect(
      abs(values[0] - (4 - 5.0.squareRoot())) < 1e-14 && abs(values[1] - (4 + 5.0.squareRoot())) < 1e-14)
  }

  @Test func onlyTheLowerTriangleIsRead() {
    let x = Tensor([3.0, .nan, 2, 5], shape: [2, 2]), whole = Tensor([3.0, 2, 2, 5], shape: [2, 2])
    #expect(x.symmetricEigenvalues().array(of: Double.self) == whole.symmetricEigenvalues().array())
  }

  @Test func eigenvectorsAreTurnedIntoMultiplesOfThemselves() {
    let root = Tensor.normal([6, 6], dtype: .float64, using: Generator(seed: 1))
    let x = root.matmul(root.transposed)
    let (values, vectors) = x.symmetricEigen()
    #expect(values.shape == [6] && vectors.shape == [6, 6])
    // 36 roundings of numbers up to about 30.
    #expect((x.matmul(vectors) - vectors * values).abs().array(of: Double.self).allSatisfy { $0 < 1e-12 })
    let identity = vectors.transposed.matmul(vectors).array(of: Double.self)
    #expect(identity.indices.allSatisfy { abs(identity[$0] - ($0 % 7 == 0 ? 1 : 0)) < 1e-13 })
    #expect(values.array(of: Double.self) == values.array(of: Double.self).sorted())
  }

  @Test func whatIsNoSquareIsRefused() {
    #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([2, 3]).symmetricEigen() } }
  }
}
