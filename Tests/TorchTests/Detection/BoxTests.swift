import TestSupport
import Testing
import Torch

@Suite struct BoxesOverlap {
  @Test func byTheShareOfTheirUnion() {
    let a = Tensor([0.0, 0, 2, 2, 1, 1, 1, 3], shape: [2, 4])
    let b = Tensor([0.0, 0, 2, 2, 1, 1, 3, 3, 2, 0, 4, 2, 1, 1, 1, 3], shape: [4, 4])
    // A box without area meets nothing, not even itself.
    #expect(boxIoU(a, b).array() == [1, 1.0 / 7, 0, 0, 0, 0, 0, 0])
    #expect(boxIoU(a, .zeros([0, 4], dtype: .float64)).shape == [2, 0])
    #expect(boxIoU(.zeros([0, 4], dtype: .float64), b).shape == [0, 4])
  }

  /// Ties in matching are decided by equality: both ways round, and for each row by itself.
  @Test(arguments: [DType.float32, .float64])
  func toTheSameBitWhereverABoxStands(dtype: DType) {
    let boxes = formula(salt: 1, shape: [5000, 2]).to(dtype)
    let all = Tensor.concatenated([boxes, boxes + 1.5], dim: 1)
    let few = all.narrowed(0..<70)
    let matrix = boxIoU(few, all)
    #expect(distance(matrix, boxIoU(all, few).permuted([1, 0])) == 0)
    let row = boxIoU(few.narrowed(69..<70), all.narrowed(4090..<4200))
    #expect(distance(matrix.narrowed(69..<70).narrowed(4090..<4200, dim: 1), row) == 0)
  }
}

@Suite struct PastedMasks {
  /// Bilinear interpolation at the pixels' centres, written out for one pixel at a time.
  @Test(arguments: [DType.float32, .float64])
  func followTheDefinition(dtype: DType) {
    let (h, w, height, width) = (5, 7, 30, 41)
    let soft = formula(salt: 1, shape: [4, h, w]).abs().to(dtype)
    let boxes: [[Double]] = [
      [3.2, 4.7, 30.1, 25.3], [-9.5, -3, 12, 9], [30, 20, 55, 42], [8.2, 8.2, 9, 9.4],
    ]
    let values = soft.array(of: Double.self)
    var expected: [UInt8] = [], clear = true
    for (r, box) in boxes.enumerated() {
      for y in 0..<height {
        for x in 0..<width {
          let v = (Double(y) + 0.5 - box[1]) / (box[3] - box[1]) * Double(h) - 0.5
          let u = (Double(x) + 0.5 - box[0]) / (box[2] - box[0]) * Double(w) - 0.5
          var sum = 0.0
          for i in 0..<h {
            for j in 0..<w {
              sum +=
                max(0, 1 - abs(v - Double(i))) * max(0, 1 - abs(u - Double(j))) * values[(r * h + i) * w + j]
            }
          }
          clear = clear && abs(sum - 0.5) > 1e-6  // further than float32's rounding
          expected.append(sum >= 0.5 ? 1 : 0)
        }
      }
    }
    #expect(clear)
    let made = pasteMasks(
      soft, boxes: Tensor(boxes.flatMap { $0 }, shape: [4, 4]), height: height, width: width)
    #expect(made.shape == [4, height, width])
    #expect(made.array() == expected)
  }

  @Test func theThresholdIsInsideAndABoxWithoutAreaIsEmpty() {
    let made = pasteMasks(
      .full(0.5, [3, 2, 2]), boxes: Tensor([1.0, 1, 3, 3, 2, 2, 2, 2, .nan, 0, 2, 2], shape: [3, 4]),
      height: 4,
      width: 4)
    #expect(made.sum(dims: [1, 2]).array() == [4, 0, 0])
    #expect(pasteMasks(.zeros([0, 2, 2]), boxes: .zeros([0, 4]), height: 3, width: 2).shape == [0, 3, 2])
  }

  /// Pixels beside a box of fewer pixels than its mask lie far behind the mask's last column. Nothing is read there,
  /// whatever the memory held before.
  @Test func anEmptyMaskOfASmallBoxIsEmpty() {
    let boxes = Tensor((0..<256).flatMap { _ in [8.0, 8, 12, 12] }, shape: [256, 4])
    _ = pasteMasks(.ones([256, 28, 28], dtype: .float64), boxes: boxes, height: 24, width: 24)
    let made = pasteMasks(.zeros([256, 28, 28], dtype: .float64), boxes: boxes, height: 24, width: 24)
    #expect(made.to(.int64).sum().item() == 0)
  }
}
