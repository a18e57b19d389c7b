import Foundation
import Torch

/// Where a pixel comes from: x ← a·x + b·y + c, y ← d·x + e·y + f, for places in pixels with centres at ½.
struct AffineMap: Equatable {
  let (a, b, c, d, e, f): (Double, Double, Double, Double, Double, Double)

  init(_ a: Double, _ b: Double, _ c: Double, _ d: Double, _ e: Double, _ f: Double) {
    (self.a, self.b, self.c, self.d, self.e, self.f) = (a, b, c, d, e, f)
  }

  /// A turn about the centre, counter-clockwise, with the rounding of Pillow's `rotate`; nil where nothing turns.
  init?(degrees: Double, width: Double, height: Double) {
    let turn = degrees.truncatingRemainder(dividingBy: 360)
    guard turn != 0 else { return nil }
    let angle = -(turn < 0 ? turn + 360 : turn) * (.pi / 180)
    func rounded(_ value: Double) -> Double { Double(String(format: "%.15f", value)) ?? value }
    let (cosine, sine) = (rounded(cos(angle)), rounded(sin(angle)))
    let (x, y) = (width / 2, height / 2)
    self.init(
      cosine, sine, cosine * -x + sine * -y + x, rounded(-sin(angle)), cosine,
      rounded(-sin(angle)) * -x + cosine * -y + y)
  }

  func callAsFunction(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
    (a * x + b * y + c, d * x + e * y + f)
  }
}

extension PixelBuffer {
  /// Every pixel from another place, by the filters of Pillow's `transform`, which cut fractions off.
  func transform(_ map: AffineMap, fill: [UInt8], filter: Interpolation) {
    precondition(fill.count == 3, "\(fill.count) levels of a colour")
    let source = [UInt8](bytes)
    source.withUnsafeBufferPointer { source in
      let sampler = PixelSampler(source: source, height: height, width: width)
      for y in 0..<height {
        for x in 0..<width {
          let place = map(Double(x) + 0.5, Double(y) + 0.5)
          let out = UnsafeMutableBufferPointer(rebasing: bytes[3 * (y * width + x)..<3 * (y * width + x) + 3])
          guard place.x >= 0, place.x < Double(width), place.y >= 0, place.y < Double(height) else {
            for channel in 0..<3 { out[channel] = fill[channel] }
            continue
          }
          switch filter {
          case .bilinear: sampler.bilinear(place.x - 0.5, place.y - 0.5, to: out)
          case .bicubic: sampler.bicubic(place.x - 0.5, place.y - 0.5, to: out)
          }
        }
      }
    }
  }
}

/// Levels between the centres of pixels.
private struct PixelSampler {
  let source: UnsafeBufferPointer<UInt8>
  let height: Int
  let width: Int

  /// The column's first byte in a row; outside the picture that of the nearest column.
  private func column(_ x: Int) -> Int { 3 * min(max(x, 0), width - 1) }
  private func row(_ y: Int) -> Int { 3 * width * min(max(y, 0), height - 1) }

  func bilinear(_ x: Double, _ y: Double, to out: UnsafeMutableBufferPointer<UInt8>) {
    let (left, top) = (x.rounded(.down), y.rounded(.down))
    let (dx, dy) = (x - left, y - top)
    let columns = (column(Int(left)), column(Int(left) + 1))
    let rows = (row(Int(top)), row(Int(top) + 1))
    for channel in 0..<3 {
      func level(_ row: Int, _ column: Int) -> Double { Double(source[row + column + channel]) }
      func across(_ row: Int) -> Double {
        let first = level(row, columns.0)
        return first + (level(row, columns.1) - first) * dx
      }
      let upper = across(rows.0)
      out[channel] = UInt8(upper + (across(rows.1) - upper) * dy)
    }
  }

  func bicubic(_ x: Double, _ y: Double, to out: UnsafeMutableBufferPointer<UInt8>) {
    let (left, top) = (x.rounded(.down), y.rounded(.down))
    let (dx, dy) = (x - left, y - top)
    let (first, line) = (Int(left) - 1, Int(top) - 1)
    let columns = (column(first), column(first + 1), column(first + 2), column(first + 3))
    let rows = (row(line), row(line + 1), row(line + 2), row(line + 3))
    for channel in 0..<3 {
      func across(_ row: Int) -> Double {
        func level(_ column: Int) -> Double { Double(source[row + column + channel]) }
        return cubic(level(columns.0), level(columns.1), level(columns.2), level(columns.3), dx)
      }
      let level = cubic(across(rows.0), across(rows.1), across(rows.2), across(rows.3), dy)
      out[channel] = UInt8(min(max(level, 0), 255))
    }
  }

  /// The cubic with a = −1 through four values, between the second and the third.
  private func cubic(_ v1: Double, _ v2: Double, _ v3: Double, _ v4: Double, _ d: Double) -> Double {
    let p2 = -v1 + v3
    let p3 = 2 * (v1 - v2) + v3 - v4
    let p4 = -v1 + v2 - v3 + v4
    return v2 + d * (p2 + d * (p3 + d * p4))
  }
}
