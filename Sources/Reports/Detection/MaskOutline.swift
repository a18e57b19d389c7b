import Torch

/// The outlines of a mask as an SVG path, filled by the even-odd rule.
struct MaskOutline {
  let path: String

  /// - Parameters:
  ///   - scale: of the drawing, 0 to 1: its points for a pixel of the mask.
  ///   - size: the largest width and height of the drawing.
  init(_ mask: InstanceMask, scale: Double, width: Int, height: Int) {
    switch mask {
    case .polygons(let polygons):
      path = polygons.map { numbers in
        let limit = Double(max(width, height)) * 4  // far outside is far enough, and stays finite
        func place(_ value: Double) -> String {
          coordinate(value.isFinite ? min(max(value * scale, -limit), limit) : 0)
        }
        let corners = stride(from: 0, to: numbers.count - 1, by: 2).map {
          "\(place(numbers[$0])) \(place(numbers[$0 + 1]))"
        }
        return corners.isEmpty ? "" : "M" + corners.joined(separator: "L") + "z"
      }.joined()
    case .runLengths(let runs):
      let small = Self.sampled(runs, scale: scale, width: width, height: height)
      path = Self.trace(small, width: width, height: height)
    }
  }

  /// The mask's pixels nearest to those of a smaller picture, row by row.
  private static func sampled(_ runs: RunLengthMask, scale: Double, width: Int, height: Int) -> [Bool] {
    let bytes = runs.bitmap()
    var small = [Bool](repeating: false, count: width * height)
    for y in 0..<height {
      let row = Int((Double(y) + 0.5) / scale)
      guard row < runs.height else { continue }
      for x in 0..<width {
        let column = Int((Double(x) + 0.5) / scale)
        if column < runs.width { small[y * width + x] = bytes[row * runs.width + column] != 0 }
      }
    }
    return small
  }

  /// Follows the edges between pixels inside and outside, with the inside on the right, until each is closed.
  private static func trace(_ pixels: [Bool], width: Int, height: Int) -> String {
    func isInside(_ x: Int, _ y: Int) -> Bool {
      x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x]
    }
    /// Whether an edge leads from a corner to the right, down, left, up.
    func leads(_ x: Int, _ y: Int, _ way: Int) -> Bool {
      switch way {
      case 0: isInside(x, y) && !isInside(x, y - 1)
      case 1: isInside(x - 1, y) && !isInside(x, y)
      case 2: isInside(x - 1, y - 1) && !isInside(x - 1, y)
      default: isInside(x, y - 1) && !isInside(x - 1, y - 1)
      }
    }
    let steps = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    var isDone = [Bool](repeating: false, count: (width + 1) * (height + 1))  // edges to the right
    var path = ""
    for startY in 0..<height {
      for startX in 0..<width where leads(startX, startY, 0) && !isDone[startY * (width + 1) + startX] {
        var (x, y, way) = (startX, startY, 0)
        path += "M\(x) \(y)"
        repeat {
          var length = 0
          while leads(x, y, way) {
            if way == 0 { isDone[y * (width + 1) + x] = true }
            x += steps[way].0
            y += steps[way].1
            length += 1
          }
          path += "\(way % 2 == 0 ? "h" : "v")\(way < 2 ? length : -length)"
          // At a corner where two regions touch, the turn to the right stays with this one.
          way = [1, 3].map { (way + $0) % 4 }.first { leads(x, y, $0) } ?? way
        } while !(x == startX && y == startY && way == 0)
        path += "z"
      }
    }
    return path
  }
}
