import Files
import Images
import Torch

/// The one colour scale of several maps: dark is their lowest value, light their highest.
package struct HeatScale: Sendable {
  /// The ends of the scale. Values beyond them have the end's colour.
  package let range: ClosedRange<Double>

  package init(_ range: ClosedRange<Double>) { self.range = range }

  /// From the lowest to the highest value of maps of any shape.
  package init(of maps: Tensor) throws {
    let (low, high) = try withTorchErrors { (maps.min().item(), maps.max().item()) }
    self.init(low...high)
  }

  /// A value as text: three digits, or more before the point.
  package static func text(_ value: Double) -> String {
    fixed(value, value.magnitude >= 100 ? 0 : value.magnitude >= 10 ? 1 : 2)
  }

  /// Red, green and blue, 0 ... 255, at the quarters of the scale: those of matplotlib's "inferno" (van der Walt and
  /// Smith 2015, CC0), whose lightness rises all the way, so that it can be read in gray and with any colour vision.
  /// Between them a scale is linear.
  package static let colors: [[Double]] = [
    [0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164],
  ]

  /// The share of the colour in a map that lies over a picture.
  static let opacity = 0.6

  /// The colours of values of any shape: … → …×3, 0 ... 255.
  func colors(of values: Tensor) -> Tensor {
    let span = range.upperBound - range.lowerBound
    let shares = span > 0 ? ((values - range.lowerBound) / span).clamped(0, 1) : values * 0
    let places = shares.reshaped(shares.shape + [1]) * Double(HeatScale.colors.count - 1)
    var color = Tensor(HeatScale.colors[0].map { Float($0) })  // 3
    for (quarter, (from, to)) in zip(HeatScale.colors, HeatScale.colors.dropFirst()).enumerated() {
      let step = Tensor(zip(from, to).map { Float($1 - $0) })
      color = color + (places - Double(quarter)).clamped(0, 1) * step  // …×3
    }
    return color
  }

  /// Each map enlarged bilinearly, and laid over its picture in gray.
  /// - Parameters:
  ///   - maps: N×h×w float32 on the CPU.
  ///   - pictures: N of one size, which may be the same one N times.
  package func overlays(_ maps: Tensor, on pictures: [RGBImage]) throws -> [RGBImage] {
    guard let first = pictures.first else { return [] }
    let (width, height) = (first.width, first.height)
    maps.expect([pictures.count, nil, nil], "maps of \(pictures.count) pictures")
    precondition(
      pictures.allSatisfy { $0.width == width && $0.height == height },
      "pictures of other sizes than \(width) x \(height)")
    let bytes = try withTorchErrors {
      withNoGrad {
        let size = [pictures.count, 1, maps.shape[1], maps.shape[2]]
        let enlarged = interpolated(
          maps.reshaped(size), height: height, width: width, mode: .bilinear
        ).selected(0, dim: 1)  // N×H×W
        let levels = HeatScale.levels(pictures)  // N×H×W×3
        // Luma as in ITU-R BT.601.
        let gray = (levels * Tensor([0.299, 0.587, 0.114] as [Float])).sum(dim: 3, keepDim: true)
        let mixed = gray * (1 - HeatScale.opacity) + colors(of: enlarged) * HeatScale.opacity
        return mixed.rounded().to(.uint8).array(of: UInt8.self)
      }
    }
    let count = width * height * 3
    return pictures.indices.map {
      RGBImage(width: width, height: height, pixels: Array(bytes[$0 * count..<($0 + 1) * count]))
    }
  }

  /// The levels of pictures of one size: N×H×W×3 float32.
  private static func levels(_ pictures: [RGBImage]) -> Tensor {
    let shape = [pictures.count, pictures[0].height, pictures[0].width, 3]
    return Tensor(pictures.reduce(into: [UInt8]()) { $0 += $1.pixels }, shape: shape).to(.float32)
  }
}
