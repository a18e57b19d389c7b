import Foundation
import TestSupport
import Testing
@testable import Torch

@Suite struct RoIAlignment {
  /// A RoIAlign of random maps and boxes, some of them over the edge, and the map's gradient.
  private func run(
    _ shape: [Int], boxes: Int, _ size: Size2D, ratio: Int = 0, aligned: Bool = true,
    dtype: DType = .float64, layout: MemoryLayout4D = .channelsLast,
    by align: (Tensor, Tensor, Size2D, Double, Int, Bool) -> Tensor = {
      roiAlign($0, boxes: $1, outputSize: $2, spatialScale: $3, samplingRatio: $4, aligned: $5)
    }
  ) -> (y: Tensor, gradient: Tensor?) {
    let x = formula(salt: 1, shape: shape).to(dtype).contiguous(layout)
    x.requiresGrad = true
    let y = align(x, randomBoxes(boxes, images: shape[0], side: 4 * shape[3]), size, 0.25, ratio, aligned)
    (y * formula(salt: 2, shape: y.shape).to(dtype)).sum().backward()
    return (y.detached(), x.gradient)
  }

  private func randomBoxes(_ count: Int, images: Int, side: Int) -> Tensor {
    let numbers = formula(salt: 3, shape: [count, 4]).array(of: Double.self)
    let rows = (0..<count).flatMap { i -> [Double] in
      let (a, b, c, d) = (numbers[4 * i], numbers[4 * i + 1], numbers[4 * i + 2], numbers[4 * i + 3])
      let half = Double(side) / 2 * 1.1
      return [Double(i % images)] + [min(a, c), min(b, d), max(a, c), max(b, d)].map { $0 * half + half }
    }
    return Tensor(rows, shape: [count, 5])
  }

  private func composed(
    _ x: Tensor, _ boxes: Tensor, _ size: Size2D, _ scale: Double, _ ratio: Int, _ aligned: Bool
  ) -> Tensor {
    roiAlignComposed(
      x, boxes: boxes, outputSize: size, spatialScale: scale, samplingRatio: ratio, aligned: aligned)
  }

  /// The kernel and the composition add in other orders: up to 36 products of numbers below 1.
  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func isTorchvisions(layout: MemoryLayout4D) throws {
    let reference = try DetectionFixture.load().roiAlign
    let boxes = Tensor(reference.boxes.flatMap { $0 }, shape: [reference.boxes.count, 5])
    for expected in reference.cases {
      let size = Size2D(height: expected.output[0], width: expected.output[1])
      for isKernel in [true, false] {
        let x = formula(salt: 1, shape: [2, 3, 6, 7]).contiguous(layout)
        x.requiresGrad = true
        let y =
          isKernel
          ? roiAlign(
            x, boxes: boxes, outputSize: size, spatialScale: 0.25, samplingRatio: expected.samplingRatio,
            aligned: expected.aligned)
          : composed(x, boxes, size, 0.25, expected.samplingRatio, expected.aligned)
        (y * formula(salt: 9, shape: y.shape)).sum().backward()
        #expect(y.shape == [reference.boxes.count, 3] + expected.output)
        #expect(distance(y.array(), expected.values) < 1e-14)
        #expect(distance(x.gradient?.array() ?? [], expected.gradient) < 1e-14)
      }
    }
  }

  /// Numbers of channels around the widths of vectors, and maps with their channels last, first, or cut out of others.
  @Test(arguments: [1, 7, 8, 31, 64, 65, 130])
  func vectorsOfChannelsDoNotChangeIt(channels: Int) {
    for (size, ratio, aligned) in [(7 as Size2D, 0, true), ([2, 3], 2, false), (14, 0, true)] {
      let expected = run([2, channels, 9, 12], boxes: 9, size, ratio: ratio, aligned: aligned, by: composed)
      for layout in [MemoryLayout4D.contiguous, .channelsLast] {
        let made = run(
          [2, channels, 9, 12], boxes: 9, size, ratio: ratio, aligned: aligned, layout: layout)
        #expect(distance(made.y, expected.y) < 1e-14)
        #expect(distance(made.gradient, expected.gradient) < 1e-13)
      }
    }
  }

  @Test func takesAMapCutOutOfAnother() {
    let large = formula(salt: 1, shape: [2, 10, 9, 12])
    let cut = large.narrowed(3..<8, dim: 1).narrowed(2..<9, dim: 2)
    let boxes = randomBoxes(5, images: 2, side: 28)
    let expected = roiAlign(cut.clone().contiguous(), boxes: boxes, outputSize: 3, spatialScale: 0.25)
    #expect(distance(roiAlign(cut, boxes: boxes, outputSize: 3, spatialScale: 0.25), expected) == 0)
  }

  /// Rounding of 24 bits, in sums of a hundred products below 1; bfloat16's own 8 bits come on top at the end.
  @Test(arguments: [(DType.float32, 1e-5), (.bfloat16, 1e-2)])
  func narrowTypesAreAddedUpInFloat32(dtype: DType, tolerance: Double) {
    let expected = run([2, 33, 9, 12], boxes: 9, 7)
    let made = run([2, 33, 9, 12], boxes: 9, 7, dtype: dtype)
    #expect(made.y.dtype == dtype)
    // The map has been rounded too, and a pixel's gradient is a sum over all boxes.
    #expect(distance(made.y, expected.y) < tolerance)
    #expect(distance(made.gradient, expected.gradient) < 30 * tolerance)
  }

  @Test(arguments: [DType.float32, .float64])
  func threadsDoNotChangeAnyBit(dtype: DType) {
    let before = Runtime.threads
    defer { Runtime.threads = before }
    func bytes(_ threads: Int) -> [Data] {
      Runtime.threads = threads
      let made = run([2, 40, 13, 17], boxes: 37, 7, dtype: dtype)
      return [made.y, made.gradient!].map { $0.withUnsafeBytes { Data($0) } }
    }
    let one = bytes(1)
    for threads in [2, 4] { #expect(bytes(threads) == one, "\(threads) threads") }
  }

  @Test func withoutBoxesTheGradientIsZero() {
    for align in [
      { roiAlign($0, boxes: $1, outputSize: 7, spatialScale: 1) },
      { roiAlignComposed($0, boxes: $1, outputSize: 7, spatialScale: 1) },
    ] as [(Tensor, Tensor) -> Tensor] {
      let x = formula(salt: 1, shape: [2, 3, 5, 4])
      x.requiresGrad = true
      let y = align(x, .zeros([0, 5], dtype: .float64))
      #expect(y.shape == [0, 3, 7, 7])
      (y.sum() + x.sum() * 0).backward()
      #expect(x.gradient?.abs().max().item() == 0)
    }
  }

  /// A bin of a hundred million samples would take minutes if each were visited.
  @Test func boxesFarLargerThanTheMapOrNotFiniteTakeNoTime() {
    let x = Tensor.ones([1, 8, 4, 5], dtype: .float64)
    let boxes = Tensor(
      [0, -1e12, -1e12, 1e12, 1e12, 0, .nan, 0, 3, 3, 0, 0, 0, .infinity, 2], shape: [3, 5])
    let y = roiAlign(x, boxes: boxes, outputSize: 2, spatialScale: 1)
    #expect(y.isAllFinite())
    #expect(y.abs().max().item() < 1e-9)
  }

  @Test func aBoxInAnImageThatIsNotThereIsAnError() {
    #expect(throws: TorchError.self) {
      try withTorchErrors {
        _ = roiAlign(
          .ones([2, 3, 4, 4]), boxes: Tensor([2.0, 0, 0, 1, 1], shape: [1, 5]), outputSize: 2, spatialScale: 1
        )
      }
    }
  }
}
