import Images

extension Drawing {
  /// The drawing as pixels on white, `scale` pixels to the point (2 suits today's screens, 4 paper).
  ///
  /// Traps on more than 100 million pixels.
  package func image(scale: Double = 2) -> RGBImage {
    precondition(scale > 0 && scale.isFinite, "a scale of \(scale)")
    var canvas = Canvas(width: width * scale, height: height * scale)
    for mark in marks { canvas.draw(mark, scale: scale) }
    return canvas.image()
  }
}

/// Pixels, and how much of each the shape being drawn covers.
///
/// A shape is gathered whole, keeping the largest coverage where its parts overlap, and then painted once: joints of a
/// transparent line are not darker than the line.
struct Canvas {
  let columns: Int
  let rows: Int
  private var colors: [Float]
  private(set) var coverage: [Float]
  private var touchedRows = 0..<0
  private var touchedColumns = 0..<0

  init(width: Double, height: Double) {
    columns = max(1, Int(width.rounded(.up)))
    rows = max(1, Int(height.rounded(.up)))
    precondition(columns <= 100_000_000 / rows, "a picture of \(columns) x \(rows) pixels")
    colors = [Float](repeating: 255, count: columns * rows * 3)
    coverage = [Float](repeating: 0, count: columns * rows)
  }

  mutating func draw(_ mark: Mark, scale: Double) {
    switch mark {
    case .strokes(let lines, let width, let paint):
      for line in lines { cover(line, width: width * scale, scale: scale) }
      self.paint(paint)
    case .fill(let corners, let paint):
      cover(polygon: corners, scale: scale)
      self.paint(paint)
    case .dots(let centers, let marker, let radius, let paint):
      for center in centers {
        if let corners = marker.outline(around: center, radius: radius) {
          cover(polygon: corners, scale: scale)
        } else {
          cover([center], width: 2 * radius * scale, scale: scale)
        }
      }
      self.paint(paint)
    case .label(let label):
      let weight = StrokeFont.weight(isBold: label.isBold) * label.size
      for line in StrokeFont.strokes(of: label) {
        // A dot as wide as a line looks thinner than it.
        cover(line, width: weight * scale * (line.count == 1 ? 1.3 : 1), scale: scale)
      }
      self.paint(label.paint)
    }
  }

  /// A polyline of `width` pixels with round ends, at `scale` times its positions.
  mutating func cover(_ line: [Position], width: Double, scale: Double = 1) {
    let places = line.map { Position($0.x * scale, $0.y * scale) }
    if places.count == 1 { cover(from: places[0], to: places[0], width: width) }
    for (start, end) in zip(places, places.dropFirst()) { cover(from: start, to: end, width: width) }
  }

  /// The coverage of a pixel falls from 1 to 0 over the pixel's own width around the edge. A line thinner than a pixel
  /// covers at most its width, so that a line's coverage adds up to its area.
  private mutating func cover(from start: Position, to end: Position, width: Double) {
    let reach = width / 2 + 0.5, most = min(1, width)
    let dx = end.x - start.x, dy = end.y - start.y
    let squaredLength = dx * dx + dy * dy
    for row in pixels(min(start.y, end.y) - reach, max(start.y, end.y) + reach, of: rows) {
      let y = Double(row) + 0.5
      // The part of the segment that this row can see.
      var near = 0.0, far = 1.0
      if dy != 0 {
        let a = (y - reach - start.y) / dy, b = (y + reach - start.y) / dy
        near = min(max(min(a, b), 0), 1)
        far = min(max(max(a, b), 0), 1)
      }
      let left = min(start.x + near * dx, start.x + far * dx) - reach
      let right = max(start.x + near * dx, start.x + far * dx) + reach
      for column in pixels(left, right, of: columns) {
        let x = Double(column) + 0.5
        let along = squaredLength > 0 ? ((x - start.x) * dx + (y - start.y) * dy) / squaredLength : 0
        let t = min(max(along, 0), 1)
        let awayX = x - (start.x + t * dx), awayY = y - (start.y + t * dy)
        let distance = (awayX * awayX + awayY * awayY).squareRoot()
        raise(column, row, Float(min(reach - distance, most)))
      }
    }
  }

  /// A polygon by the even-odd rule: exact along x, sixteen lines to the pixel along y.
  mutating func cover(polygon corners: [Position], scale: Double = 1) {
    let places = corners.map { Position($0.x * scale, $0.y * scale) }
    guard let first = places.first, let last = places.last else { return }
    let edges = zip([last] + places, places).filter { $0.y != $1.y }
    let top = places.reduce(first.y) { min($0, $1.y) }, bottom = places.reduce(first.y) { max($0, $1.y) }
    let lines = 16
    var sums = [Float](repeating: 0, count: columns)
    for row in pixels(top, bottom, of: rows) {
      for line in 0..<lines {
        let y = Double(row) + (Double(line) + 0.5) / Double(lines)
        let crossings = edges.compactMap { a, b -> Double? in
          (a.y <= y) == (b.y <= y) ? nil : a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x)
        }.sorted()
        for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
          for column in pixels(crossings[pair], crossings[pair + 1], of: columns) {
            let covered = min(crossings[pair + 1], Double(column + 1)) - max(crossings[pair], Double(column))
            sums[column] += Float(max(0, covered)) / Float(lines)
          }
        }
      }
      for column in pixels(places.map(\.x).min() ?? 0, places.map(\.x).max() ?? 0, of: columns) {
        raise(column, row, sums[column])
        sums[column] = 0
      }
    }
  }

  /// Paints what is covered and forgets it.
  mutating func paint(_ paint: Paint) {
    let color = Palette.color(of: paint.ink)
    let channels = [Float(color.red), Float(color.green), Float(color.blue)]
    let opacity = Float(min(max(paint.opacity, 0), 1))
    for row in touchedRows {
      for pixel in touchedColumns.lowerBound + row * columns..<touchedColumns.upperBound + row * columns
      where coverage[pixel] > 0 {
        let share = coverage[pixel] * opacity
        for channel in 0..<3 {
          colors[pixel * 3 + channel] += (channels[channel] - colors[pixel * 3 + channel]) * share
        }
        coverage[pixel] = 0
      }
    }
    touchedRows = 0..<0
    touchedColumns = 0..<0
  }

  func image() -> RGBImage {
    RGBImage(width: columns, height: rows, pixels: colors.map { UInt8(min(max($0.rounded(), 0), 255)) })
  }

  private mutating func raise(_ column: Int, _ row: Int, _ value: Float) {
    let pixel = row * columns + column
    guard value > coverage[pixel] else { return }
    coverage[pixel] = value
    touchedRows = touchedRows.including(row)
    touchedColumns = touchedColumns.including(column)
  }

  /// The pixels that `low...high` touches, of `count`.
  private func pixels(_ low: Double, _ high: Double, of count: Int) -> Range<Int> {
    let first = Int(min(max(low.rounded(.down), 0), Double(count)))
    let last = Int(min(max(high.rounded(.up), 0), Double(count)))
    return first..<max(first, last)
  }
}

extension Range<Int> {
  fileprivate func including(_ value: Int) -> Range {
    isEmpty ? value..<value + 1 : Swift.min(lowerBound, value)..<Swift.max(upperBound, value + 1)
  }
}
