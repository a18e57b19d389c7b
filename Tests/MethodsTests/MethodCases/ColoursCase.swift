import Testing
import Torch
@testable import Methods

/// Lab of sRGB bytes, and their classes of colours.
enum ColoursCase {
  static func check(_ file: MethodCase) throws {
    let columns = try file.integerRows("bins").map { (a: $0[0], b: $0[1]...$0[2]) }
    let bins = ColorBins(columns)
    #expect(try file.integer("count") == bins.count)
    if bins.count == ColorBins.published.count { #expect(bins == .published) }

    let pixels = try file.parts("pixels")
    let bytes = try pixels.flatMap { try $0.integers("rgb") }
    let colors = lab(sRGB: Tensor(bytes.map { Double($0) / 255 }, shape: [pixels.count, 3, 1, 1]))
      .reshaped([pixels.count, 3])
    let targets = bins.softTargets(
      colors.narrowed(1..<3, dim: 1), nearest: try file.integer("neighbours"),
      deviation: try file.number("sigma"))
    let classes = targets.argMax(dim: 1).array(of: Int.self)
    for (i, pixel) in pixels.enumerated() {
      let ours = colors.selected(i).array(of: Double.self)
      // Grays are differences of numbers near 1, times 500.
      expectClose(ours, try pixel.numbers("lab"), scale: 1, "\(pixel.name): Lab")
      #expect(try pixel.integer("bin") == classes[i], "\(pixel.name)")

      var weights = [Double](repeating: 0, count: bins.count)
      for (place, weight) in zip(try pixel.integers("nearest"), try pixel.numbers("weights")) {
        weights[place] = weight
      }
      expectClose(targets.selected(i).array(of: Double.self), weights, scale: 1, "\(pixel.name): weights")
      let distances = bins.centers.map { center in
        ((ours[1] - center[0]) * (ours[1] - center[0]) + (ours[2] - center[1]) * (ours[2] - center[1]))
          .squareRoot()
      }
      .sorted()
      expectClose(
        distances[1] - distances[0], try pixel.number("margin"), scale: 1, "\(pixel.name): margin")
    }
  }
}
