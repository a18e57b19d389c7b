import Testing
import Torch

@Suite struct MakingAndReading {
  @Test func elementsOfEveryTypeComeBackAsTheyWentIn() {
    #expect(Tensor([0, 127, 255] as [UInt8]).array() == [0, 127, 255] as [UInt8])
    #expect(Tensor([.min, -1, .max] as [Int64]).array() == [.min, -1, .max] as [Int64])
    #expect(Tensor([3, -4]).array() == [3, -4])
    #expect(Tensor([true, false]).array() == [true, false])
    #expect(
      Tensor([-0.1, .greatestFiniteMagnitude] as [Float]).array() == [-0.1, .greatestFiniteMagnitude]
        as [Float])
    #expect(Tensor([0.1, .pi, -.infinity]).array() == [0.1, .pi, -.infinity])
    #expect(Tensor([Double]()).array() == [Double]())
  }

  @Test(arguments: DType.allCases)
  func bytesOfEveryTypeComeBackAsTheyWentIn(dtype: DType) {
    // 0 and 1 in every byte: a bool may hold nothing else.
    let bytes = (0..<6 * dtype.size).map { UInt8($0 % 2) }
    let tensor = bytes.withUnsafeBytes { Tensor(copying: $0, dtype: dtype, shape: [2, 3]) }
    #expect(tensor.dtype == dtype)
    #expect(tensor.shape == [2, 3])
    #expect(tensor.strides == [3, 1])
    #expect(tensor.device == .cpu)
    #expect(tensor.withUnsafeBytes { Array($0) } == bytes)
  }

  @Test(arguments: DType.allCases)
  func filledTensorsHoldTheValueInEveryType(dtype: DType) {
    let tensor = Tensor.full(1, [3], dtype: dtype)
    #expect(tensor.dtype == dtype)
    #expect(tensor.array(of: Double.self) == [1, 1, 1])
    #expect(Tensor.zeros([2, 0], dtype: dtype).count == 0)
  }

  @Test func aScalarHasNoDimensionsAndOneElement() {
    let scalar = Tensor.full(2.5, [], dtype: .float64)
    #expect(scalar.shape == [])
    #expect(scalar.count == 1)
    #expect(scalar.item() == 2.5)
  }

  @Test func arangeCounts() {
    #expect(Tensor.arange(4).array() == [0, 1, 2, 3])
    #expect(Tensor.arange(0).count == 0)
  }

  /// IEEE 754's bit patterns, and rounding halfway cases to even.
  @Test func halfPrecisionHasItsBitPatternsAndRoundsToEven() {
    func bits(_ value: Float, _ dtype: DType) -> UInt16 {
      Tensor([value]).to(dtype).withUnsafeBytes { $0.loadUnaligned(as: UInt16.self) }
    }
    #expect(bits(1.5, .float16) == 0x3E00)
    #expect(bits(1 + 0x1p-11, .float16) == 0x3C00)
    #expect(bits(1 + 3 * 0x1p-11, .float16) == 0x3C02)
    #expect(bits(65520, .float16) == 0x7C00)  // past the largest number: infinity
    #expect(bits(1.5, .bfloat16) == 0x3FC0)
    #expect(bits(1 + 0x1p-8, .bfloat16) == 0x3F80)
    #expect(bits(1 + 3 * 0x1p-8, .bfloat16) == 0x3F82)
  }

  @Test func integersAreCutTowardZero() {
    #expect(Tensor([1.9, -1.9]).to(.int64).array() == [1, -1])
  }

  @Test func anImageReadsRowByRowInEitherLayout() {
    let values = (0..<24).map(Double.init)
    let image = Tensor(values, shape: [1, 2, 3, 4])
    let last = image.contiguous(.channelsLast)
    #expect(last.strides == [24, 1, 8, 2])
    #expect(last.isContiguous(.channelsLast) && !last.isContiguous())
    #expect(last.array() == values)
  }

  @Test func borrowedMemoryIsWrittenThrough() {
    var values: [Float] = [1, 2, 3, 4]
    values.withUnsafeMutableBytes { bytes in
      Tensor.withBorrowed(bytes, dtype: .float32, shape: [2, 2]) { $0.selected(1).fill(9) }
    }
    #expect(values == [1, 2, 9, 9])
  }

  @Test func aViewSharesMemoryAndACloneDoesNot() {
    let tensor = Tensor([1.0, 2, 3, 4], shape: [2, 2])
    let copy = tensor.clone()
    tensor.narrowed(1..<2).fill(0)
    #expect(tensor.array() == [1.0, 2, 0, 0])
    #expect(copy.array() == [1.0, 2, 3, 4])
  }
}

@Suite struct Rearranging {
  let x = Tensor([1.0, 2, 3, 4, 5, 6], shape: [2, 3])

  @Test func shapesChangeAndElementsStay() {
    #expect(x.transposed.shape == [3, 2])
    #expect(x.transposed.array() == [1.0, 4, 2, 5, 3, 6])
    #expect(x.reshaped([3, -1]).shape == [3, 2])
    #expect(x.permuted([1, 0]).array() == [1.0, 4, 2, 5, 3, 6])
    #expect(x.selected(1, dim: 1).array() == [2.0, 5])
    #expect(x.narrowed(1..<3, dim: 1).array() == [2.0, 3, 5, 6])
    #expect(x.flipped(dim: 1).array() == [3.0, 2, 1, 6, 5, 4])
    #expect(x.narrowed(0..<1).expanded([2, 3]).array() == [1.0, 2, 3, 1, 2, 3])
  }

  @Test func rowsAndElementsAreTakenByIndex() {
    #expect(x.indexSelected(Tensor([1, 0, 1])).array() == [4.0, 5, 6, 1, 2, 3, 4, 5, 6])
    #expect(x.gathered(Tensor([2, 0, 1, 1], shape: [2, 2]), dim: 1).array() == [3.0, 1, 5, 5])
  }

  @Test func tensorsAreJoined() {
    #expect(Tensor.concatenated([x, x], dim: 1).shape == [2, 6])
    #expect(Tensor.concatenated([x, x]).shape == [4, 3])
    #expect(Tensor.stacked([x, x], dim: 1).array() == [1.0, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
  }

  @Test func elementsAreWrittenInPlace() {
    let y = x.clone()
    y.indexCopy(Tensor([1]), with: Tensor([7.0, 8, 9], shape: [1, 3]))
    #expect(y.array() == [1.0, 2, 3, 7, 8, 9])
    y.multiply(by: 2)
    y.add(.ones([3], dtype: .float64), scale: -1)
    #expect(y.array() == [1.0, 3, 5, 13, 15, 17])
    y.copy(from: Tensor([1, 2, 3]))
    #expect(y.array() == [1.0, 2, 3, 1, 2, 3])
  }
}

@Suite struct Arithmetic {
  let a = Tensor([-3.5, -1, 0.5, 2.5])
  let b = Tensor([2.0, -1, 0.25, -5])

  @Test func operatorsWorkElementByElement() {
    #expect((a + b).array() == [-1.5, -2, 0.75, -2.5])
    #expect((a - b).array() == [-5.5, 0, 0.25, 7.5])
    #expect((a * b).array() == [-7, 1, 0.125, -12.5])
    #expect((a / b).array() == [-1.75, 1, 2, -0.5])
    #expect((a + 1).array() == [-2.5, 0, 1.5, 3.5])
    #expect((a - 1).array() == [-4.5, -2, -0.5, 1.5])
    #expect((1 - a).array() == [4.5, 2, 0.5, -1.5])
    #expect((2 * a).array() == [-7.0, -2, 1, 5])
    #expect((-a).array() == [3.5, 1, -0.5, -2.5])
  }

  /// 49 · (1 / 49) is not 1: dividing must not go by way of the inverse.
  @Test func divisionByANumberIsDivision() {
    #expect((Tensor([49.0]) / 49).item() == 1)
  }

  @Test func functionsFollowTheirDefinitions() {
    #expect(a.abs().array() == [3.5, 1, 0.5, 2.5])
    #expect(a.floor().array() == [-4.0, -1, 0, 2])
    #expect(a.rounded().array() == [-4.0, -1, 0, 2])  // halves to even
    #expect(a.clamped(-1, 1).array() == [-1.0, -1, 0.5, 1])
    #expect(a.pow(2).array() == [12.25, 1, 0.25, 6.25])
    #expect(minimum(a, b).array() == [-3.5, -1, 0.25, -5])
    // Two roundings at most separate these from the exact number.
    #expect(distance(Tensor([4.0]).exp().log().sqrt(), Tensor([2.0])) < 1e-15)
    #expect(
      Tensor([1.0, 2, 3, 4], shape: [2, 2]).matmul(Tensor([5.0, 6], shape: [2, 1])).array() == [17.0, 39])
  }

  @Test func comparisonsChoose() {
    #expect((a .< b).array() == [true, false, false, false])
    #expect((a .<= b).array() == [true, true, false, false])
    #expect((a .== b).array() == [false, true, false, false])
    #expect((a .!= -1).array() == [true, false, true, true])
    #expect((a .> 0.5).array() == [false, false, false, true])
    #expect((a .>= 0.5).array() == [false, false, true, true])
    #expect(Tensor.where(a .< b, a, b).array() == [-3.5, -1, 0.25, -5])
  }

  @Test(arguments: [(0.0, true), (Double.nan, false), (-Double.infinity, false)])
  func oneElementThatIsNotFiniteIsFound(value: Double, finite: Bool) {
    #expect(Tensor([1, value, 2]).isAllFinite() == finite)
  }

  @Test func reductionsTakeAllOrOneDimension() {
    let x = Tensor([3.0, 1, 2, 0, 5, 4], shape: [2, 3])
    #expect(x.sum().item() == 15)
    #expect(x.mean().item() == 2.5)
    #expect(Tensor([3.0, 4]).norm().item() == 5)
    #expect(x.sum(dim: 0).array() == [3.0, 6, 6])
    #expect(x.mean(dim: 1, keepDim: true).shape == [2, 1])
    #expect(x.mean(dims: [0, 1]).item() == 2.5)
    #expect(x.norm(dim: 0).shape == [3])
    #expect(x.max(dim: 1).array() == [3.0, 5])
    #expect(x.min(dim: 1).array() == [1.0, 0])
    // log(e³ + e¹ + e²) = 3 + log(1 + e⁻² + e⁻¹), by hand
    #expect(abs(x.logSumExp(dim: 1).array(of: Double.self)[0] - 3.407605964444380) < 1e-14)
    let (values, indices) = x.topK(2)
    #expect(values.array() == [3.0, 2, 5, 4])
    #expect(indices.array() == [0, 2, 1, 2])
  }
}
