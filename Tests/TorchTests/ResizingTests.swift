import Testing
@testable import Torch

/// Boxes of pictures of bytes, against LibTorch's own operation on the box alone. Both add whole numbers, so they are
/// equal.
@Suite struct BoxResizing {
  private func picture(_ height: Int, _ width: Int) -> [UInt8] {
    var state: UInt32 = 3
    return (0..<height * width * 3).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      // Full and empty ones beside others: sums that are cut off would show.
      return [0, 255, UInt8(state >> 24)][Int(state >> 8) % 3]
    }
  }

  /// A box of a picture with `left` and `right` pixels beside it. Its last row ends the memory if `right` is 0.
  private func compare(
    _ height: Int, _ width: Int, left: Int = 0, right: Int = 0, to newHeight: Int, _ newWidth: Int,
    isMirrored: Bool = false
  ) {
    let row = left + width + right
    let pixels = picture(height, row)
    var out = [UInt8](repeating: 1, count: newHeight * newWidth * 3)
    pixels.withUnsafeBytes { bytes in
      let box = UnsafeRawBufferPointer(rebasing: bytes[3 * left..<bytes.count - 3 * right])
      out.withUnsafeMutableBytes {
        PixelBox(box, height: height, width: width, rowBytes: 3 * row)
          .resize(height: newHeight, width: newWidth, isMirrored: isMirrored, into: $0)
      }
    }
    let box = Tensor(pixels, shape: [1, height, row, 3]).narrowed(left..<left + width, dim: 2).contiguous()
    let resized = resizedBilinear(box.permuted([0, 3, 1, 2]), height: newHeight, width: newWidth)
    let expected = (isMirrored ? resized.flipped(dim: 3) : resized).permuted([0, 2, 3, 1]).contiguous()
    #expect(
      out == expected.array(of: UInt8.self),
      "\(height) × \(width) to \(newHeight) × \(newWidth), \(isMirrored)")
  }

  @Test func everySmallSizeBecomesEveryOther() {
    for from in 1...7 { for to in 1...9 { compare(from, 8 - from, to: to, 10 - to, isMirrored: from > to) } }
  }

  /// Up and down, by whole factors and others: from 2 to 41 pixels a sum.
  @Test(arguments: [(150, 150), (224, 224), (300, 225), (37, 411), (5, 900), (900, 5), (449, 448)])
  func largeBoxesBecomeViews(_ height: Int, _ width: Int) {
    compare(height, width, to: 224, 224)
    compare(height, width, to: 44, 61, isMirrored: true)
  }

  @Test func boxesLieInsideLargerPictures() {
    compare(60, 50, left: 7, right: 9, to: 32, 32)
    compare(60, 50, left: 7, to: 32, 32, isMirrored: true)
    compare(3, 2, left: 1, right: 1, to: 16, 16)
  }

  @Test func oneColourStays() {
    let pixels = [UInt8](repeating: 199, count: 31 * 17 * 3)
    var out = [UInt8](repeating: 0, count: 12 * 40 * 3)
    pixels.withUnsafeBytes { bytes in
      out.withUnsafeMutableBytes {
        PixelBox(bytes, height: 31, width: 17, rowBytes: 51)
          .resize(height: 12, width: 40, isMirrored: false, into: $0)
      }
    }
    #expect(out.allSatisfy { $0 == 199 })
  }

  /// A crop of an enlarged or shrunk picture, written into a larger one.
  @Test(arguments: [(40, 30, false), (40, 30, true), (91, 133, false), (91, 133, true)])
  func aPartIsThatOfTheWhole(_ newHeight: Int, _ newWidth: Int, isMirrored: Bool) {
    let (height, width) = (53, 61)
    let (rows, columns) = (7..<newHeight - 3, 5..<newWidth - 11)
    let pixels = picture(height, width)
    var whole = [UInt8](repeating: 0, count: newHeight * newWidth * 3)
    let rowBytes = columns.count * 3 + 9
    var part = [UInt8](repeating: 77, count: rows.count * rowBytes)
    pixels.withUnsafeBytes { bytes in
      let box = PixelBox(bytes, height: height, width: width, rowBytes: 3 * width)
      whole.withUnsafeMutableBytes {
        box.resize(height: newHeight, width: newWidth, isMirrored: false, into: $0)
      }
      part.withUnsafeMutableBytes {
        box.resize(
          height: newHeight, width: newWidth, rows: rows, columns: columns, isMirrored: isMirrored, into: $0,
          rowBytes: rowBytes)
      }
    }
    for y in 0..<rows.count {
      let row = Array(part[y * rowBytes..<(y + 1) * rowBytes])
      let places = isMirrored ? Array(columns.reversed()) : Array(columns)
      let expected = places.flatMap { x in
        (0..<3).map { whole[((rows.lowerBound + y) * newWidth + x) * 3 + $0] }
      }
      #expect(row == expected + Array(repeating: 77, count: 9), "row \(y)")
    }
  }
}
