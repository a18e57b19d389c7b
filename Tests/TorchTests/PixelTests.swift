import Testing
@testable import Torch

/// A picture's operations in one go, as the CPU does them, against the chain of tensor operations that other devices
/// get.
@Suite struct PixelKernels {
  private let factors: [Float] = [0.6, 1, 1.37, 0]

  /// N×H×W×3 bytes. 37 × 41 pixels are more than go together, and no whole number of vectors.
  private func pixels(_ count: Int = 4, _ height: Int = 37, _ width: Int = 41) -> Tensor {
    var state: UInt32 = 5
    let levels = (0..<count * height * width * 3).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      // Many equal, empty and full ones, where branches would differ.
      return [0, 255, UInt8(state >> 24), UInt8(state >> 24), 128][Int(state >> 8) % 5]
    }
    return Tensor(levels, shape: [count, height, width, 3])
  }

  /// Levels after the operations, as N×H×W×3.
  private func levels(_ pixels: Tensor, _ operations: [[LevelOperation]]) -> [Float] {
    let views = views(ofPixels: pixels, operations, scale: .ones([3]), shift: .zeros([3]))
    #expect(views.shape == pixels.shape)
    return views.array()
  }

  /// The same by the chain, whose operation overwrites planes, N×3×H×W.
  private func chained(_ pixels: Tensor, _ operation: (Tensor) -> Void) -> [Float] {
    let x = planes(ofPixels: pixels)
    operation(x)
    return x.permuted([0, 2, 3, 1]).contiguous().array()
  }

  private func each(_ values: [Float]) -> Tensor { Tensor(values, shape: [4, 1, 1, 1]) }

  @Test func brightnessIsTheSame() {
    let expected = chained(pixels()) { $0.blendLevels(with: nil, by: each(factors)) }
    #expect(levels(pixels(), factors.map { [.brightness($0)] }) == expected)
  }

  @Test func contrastIsTheSame() {
    let expected = chained(pixels()) { x in
      let mean = roundedLuma(x).mean(dims: [1, 2, 3], keepDim: true) + 0.5
      mean.roundDown()
      x.blendLevels(with: mean, by: each(factors))
    }
    #expect(levels(pixels(), factors.map { [.contrast($0)] }) == expected)
  }

  @Test func saturationIsTheSame() {
    let expected = chained(pixels()) { $0.blendLevels(with: roundedLuma($0), by: each(factors)) }
    #expect(levels(pixels(), factors.map { [.saturation($0)] }) == expected)
  }

  /// Every shift that there is, four at a time.
  @Test func hueIsTheSame() {
    for first in stride(from: 0, to: 256, by: 4) {
      let shifts = (first..<first + 4).map(Float.init)
      let expected = chained(pixels()) { $0.turnHue8Bit(by: each(shifts)) }
      #expect(levels(pixels(), shifts.map { [.hue(by: $0)] }) == expected, "from \(first)")
    }
  }

  @Test func grayAndSolarizedAreTheSame() {
    let gray = chained(pixels()) { $0.copy(from: roundedLuma($0)) }
    #expect(levels(pixels(), .init(repeating: [.grayscale], count: 4)) == gray)
    let dark = chained(pixels()) { $0.copy(from: minimum($0, 255 - $0)) }
    #expect(levels(pixels(), .init(repeating: [.solarize], count: 4)) == dark)
  }

  /// Levels are whole between operations, so those of a picture can be cut anywhere.
  @Test func operationsInOneGoAreThoseOneAfterTheOther() {
    let band = band(41, reach: 3),
      down = BandMatrix(size: 37, reach: 3, values: self.band(37, reach: 3).values)
    let orders: [[LevelOperation]] = [
      [.brightness(1.2), .contrast(0.7), .hue(by: 20), .saturation(1.3), .blur(across: band, down: down)],
      [.contrast(1.4), .contrast(0.7), .grayscale, .solarize],
      [.blur(across: band, down: down), .blur(across: band, down: down), .contrast(1.3), .brightness(0.9)],
      [
        .blur(across: band, down: down), .hue(by: 200), .contrast(1.3), .blur(across: band, down: down),
        .solarize,
      ],
    ]
    var one = pixels()
    for place in 0..<5 {
      let steps = orders.map { place < $0.count ? [$0[place]] : [] }
      one = views(ofPixels: one, steps, scale: .ones([3]), shift: .zeros([3])).to(.uint8)
    }
    #expect(levels(pixels(), orders) == one.to(.float32).array())
  }

  @Test func bytesThatDoNotLieInOrderAreReadInOrder() {
    let strided = pixels().permuted([0, 2, 1, 3])
    let operations = factors.map { [LevelOperation.contrast($0), .hue(by: 9)] }
    #expect(levels(strided, operations) == levels(strided.contiguous(), operations))
  }

  @Test func viewsAreScaledAndShifted() {
    let (scale, shift) = (Tensor([2, 0.5, -1] as [Float]), Tensor([1, 0, 3] as [Float]))
    let bytes = Tensor((0..<2 * 5 * 7 * 3).map { UInt8($0 % 251) }, shape: [2, 5, 7, 3])
    let expected = (0..<2 * 5 * 7 * 3).map { Float($0 % 251) * [2, 0.5, -1][$0 % 3] + [1, 0, 3][$0 % 3] }
    #expect(views(ofPixels: bytes, [[], []], scale: scale, shift: shift).array() == expected)

    let split = planes(ofPixels: bytes)
    #expect(split.shape == [2, 3, 5, 7])
    #expect(split.array(of: Float.self) == bytes.permuted([0, 3, 1, 2]).to(.float32).array(of: Float.self))
    let pixels = Tensor.zeros([2, 5, 7, 3])
    pixels.copy(fromPlanes: split, scale: scale, shift: shift)
    #expect(pixels.array() == expected)
  }

  /// Weights that sum to one a row, with no symmetry; what stands outside the matrix is no number.
  private func band(_ size: Int, reach: Int) -> BandMatrix {
    let width = 2 * reach + 1
    var state: UInt32 = 11
    var values = [Float](repeating: .nan, count: size * width)
    // The rows between the edges are the same.
    let inner = (0..<width).map { _ -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 16) + 1
    }
    for row in 0..<size {
      let inside = (0..<width).filter { (0..<size).contains(row + $0 - reach) }
      let sum = inside.reduce(0) { $0 + inner[$1] }
      for place in inside { values[row * width + place] = inner[place] / sum }
    }
    return BandMatrix(size: size, reach: reach, values: values)
  }

  /// Sums in float64. Those in float32 of 2·2·19 products are off by less than 2⁻²⁴ · 255 · 38 = 0.0006, which can turn
  /// only what is that close to a half.
  @Test(arguments: [
    (37, 41, 3), (20, 150, 6), (70, 64, 6), (5, 3, 6), (1, 1, 3), (1, 90, 9), (90, 1, 9), (9, 65, 0),
  ])
  func aBlurIsTwoMatrixProducts(_ height: Int, _ width: Int, _ reach: Int) {
    let (across, down) = (band(width, reach: reach), band(height, reach: reach))
    let input = pixels(1, height, width)
    let blurred = levels(input, [[.blur(across: across, down: down)]])
    let x = input.to(.float64).array(of: Double.self)
    func sum(_ matrix: BandMatrix, _ row: Int, _ value: (Int) -> Double) -> Double {
      (max(0, row - reach)..<min(matrix.size, row + reach + 1)).reduce(0) {
        $0 + Double(matrix.values[row * (2 * reach + 1) + $1 - row + reach]) * value($1)
      }
    }
    for channel in 0..<3 {
      var rows = [Double](repeating: 0, count: height * width)
      for i in rows.indices { rows[i] = sum(across, i % width) { x[(i / width * width + $0) * 3 + channel] } }
      for i in rows.indices {
        let expected = sum(down, i / width) { rows[$0 * width + i % width] }
        let level = Double(blurred[i * 3 + channel])
        #expect(level == level.rounded() && abs(level - expected) < 0.5006, "\(i): \(level), \(expected)")
      }
    }
  }

  @Test func shapesThatDoNotFitAreRefused() {
    let x = Tensor.zeros([2, 3, 4, 4])
    #expect(throws: TorchError.self) { try withTorchErrors { x.blendLevels(with: nil, by: .zeros([3])) } }
    #expect(throws: TorchError.self) { try withTorchErrors { x.turnHue8Bit(by: .zeros([1])) } }
    #expect(throws: TorchError.self) { try withTorchErrors { roundedLuma(.zeros([2, 1, 4, 4])) } }
    #expect(throws: TorchError.self) { try withTorchErrors { planes(ofPixels: .zeros([2, 4, 4, 3])) } }
    let three = Tensor.ones([3])
    for (input, count, scale) in [(x, 2, three), (pixels(), 3, three), (pixels(), 4, .ones([2]))] {
      #expect(throws: TorchError.self) {
        try withTorchErrors {
          views(ofPixels: input, .init(repeating: [], count: count), scale: scale, shift: three)
        }
      }
    }
  }
}
