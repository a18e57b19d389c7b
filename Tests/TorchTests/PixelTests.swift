import Testing
@testable import Torch

/// The CPU's loops against the chain of tensor operations that other devices get. A picture that is not contiguous
/// takes the chain on the CPU too.
@Suite struct PixelKernels {
  /// N×3×H×W whole levels, and the same in memory of another order.
  private func pictures() -> (contiguous: Tensor, strided: Tensor) {
    var state: UInt32 = 5
    let levels = (0..<4 * 3 * 37 * 41).map { _ -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      // Many equal, empty and full ones, where branches would differ.
      return [0, 255, Float(state >> 24), Float(state >> 24), 128][Int(state >> 8) % 5]
    }
    let pixels = Tensor(levels, shape: [4, 37, 41, 3])
    return (pixels.permuted([0, 3, 1, 2]).contiguous(), pixels.permuted([0, 3, 1, 2]))
  }

  private let factors = Tensor([0.6, 1, 1.37, 0] as [Float], shape: [4, 1, 1, 1])

  @Test func bothPathsTakeDifferentMemory() {
    let (a, b) = pictures()
    #expect(a.isContiguous() && !b.isContiguous())
    #expect(a.array(of: Float.self) == b.array(of: Float.self))
  }

  @Test func blendsAreEqual() {
    let planes = roundedLuma(pictures().contiguous)
    let level = Tensor([0, 12, 130, 255] as [Float], shape: [4, 1, 1, 1])
    for degenerate in [nil, level, planes] {
      let (a, b) = pictures()
      a.blendLevels(with: degenerate, by: factors)
      b.blendLevels(with: degenerate, by: factors)
      #expect(a.array(of: Float.self) == b.array(of: Float.self))
    }
  }

  @Test func lumasAreEqual() {
    let (a, b) = pictures()
    #expect(roundedLuma(a).array(of: Float.self) == roundedLuma(b).array(of: Float.self))
  }

  /// Every shift that there is, four at a time.
  @Test func huesAreEqual() {
    for first in stride(from: 0, to: 256, by: 4) {
      let shifts = Tensor((first..<first + 4).map(Float.init), shape: [4, 1, 1, 1])
      let (a, b) = pictures()
      a.turnHue8Bit(by: shifts)
      b.turnHue8Bit(by: shifts)
      #expect(a.array(of: Float.self) == b.array(of: Float.self), "from \(first)")
    }
  }

  @Test func bytesBecomePlanesAndPixelsAgain() {
    let bytes = Tensor((0..<2 * 5 * 7 * 3).map { UInt8($0 % 251) }, shape: [2, 5, 7, 3])
    let split = planes(ofPixels: bytes)
    #expect(split.shape == [2, 3, 5, 7])
    #expect(split.array(of: Float.self) == bytes.permuted([0, 3, 1, 2]).to(.float32).array(of: Float.self))
    let strided = planes(ofPixels: bytes.permuted([1, 0, 2, 3]).contiguous().permuted([1, 0, 2, 3]))
    #expect(strided.array(of: Float.self) == split.array(of: Float.self))

    let (scale, shift) = (Tensor([2, 0.5, -1] as [Float]), Tensor([1, 0, 3] as [Float]))
    let expected = (0..<2 * 5 * 7 * 3).map { Float($0 % 251) * [2, 0.5, -1][$0 % 3] + [1, 0, 3][$0 % 3] }
    for planes in [split, split.permuted([0, 2, 3, 1]).contiguous().permuted([0, 3, 1, 2])] {
      let pixels = Tensor.zeros([2, 5, 7, 3])
      pixels.copy(fromPlanes: planes, scale: scale, shift: shift)
      #expect(pixels.array() == expected)
    }
  }

  @Test func shapesThatDoNotFitAreRefused() {
    let x = Tensor.zeros([2, 3, 4, 4])
    #expect(throws: TorchError.self) { try withTorchErrors { x.blendLevels(with: nil, by: .zeros([3])) } }
    #expect(throws: TorchError.self) { try withTorchErrors { x.turnHue8Bit(by: .zeros([1])) } }
    #expect(throws: TorchError.self) { try withTorchErrors { roundedLuma(.zeros([2, 1, 4, 4])) } }
    #expect(throws: TorchError.self) { try withTorchErrors { planes(ofPixels: .zeros([2, 4, 4, 3])) } }
  }
}
