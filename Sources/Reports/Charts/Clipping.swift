/// An upright rectangle in points.
struct Rectangle: Equatable {
  var left: Double
  var top: Double
  var right: Double
  var bottom: Double

  var corners: [Position] {
    [Position(left, top), Position(right, top), Position(right, bottom), Position(left, bottom)]
  }

  func contains(_ place: Position) -> Bool {
    place.x >= left && place.x <= right && place.y >= top && place.y <= bottom
  }

  func overlaps(_ other: Rectangle) -> Bool {
    left < other.right && other.left < right && top < other.bottom && other.top < bottom
  }

  func encloses(_ other: Rectangle) -> Bool {
    other.left >= left && other.right <= right && other.top >= top && other.bottom <= bottom
  }

  /// Larger by `margin` on every side.
  func grown(by margin: Double) -> Rectangle {
    Rectangle(left: left - margin, top: top - margin, right: right + margin, bottom: bottom + margin)
  }

  /// The part of a segment inside (Liang and Barsky 1984); nil where none is.
  func clip(_ start: Position, _ end: Position) -> (Position, Position)? {
    let dx = end.x - start.x, dy = end.y - start.y
    var near = 0.0, far = 1.0
    for (step, room) in [
      (-dx, start.x - left), (dx, right - start.x), (-dy, start.y - top), (dy, bottom - start.y),
    ] {
      if step == 0 {
        if room < 0 { return nil }
      } else if step < 0 {
        near = max(near, room / step)
      } else {
        far = min(far, room / step)
      }
    }
    guard near <= far else { return nil }
    // Unclipped ends stay the same to the bit, so that lines can be joined again.
    return (
      near == 0 ? start : Position(start.x + near * dx, start.y + near * dy),
      far == 1 ? end : Position(start.x + far * dx, start.y + far * dy)
    )
  }

  /// The parts of a polyline inside.
  func clip(_ line: [Position]) -> [[Position]] {
    if line.count == 1 { return contains(line[0]) ? [line] : [] }
    var parts: [[Position]] = []
    for (start, end) in zip(line, line.dropFirst()) {
      guard let (from, to) = clip(start, end) else { continue }
      if let last = parts.last?.last, last == from {
        parts[parts.count - 1].append(to)
      } else {
        parts.append([from, to])
      }
    }
    return parts
  }
}

/// A polyline with gaps: `dash` points of line, `gap` points without.
func dashed(from start: Position, to end: Position, dash: Double, gap: Double) -> [[Position]] {
  let dx = end.x - start.x, dy = end.y - start.y
  let length = (dx * dx + dy * dy).squareRoot()
  guard length > 0 else { return [] }
  return stride(from: 0, to: length, by: dash + gap).map { from in
    [from, min(from + dash, length)].map { Position(start.x + dx * $0 / length, start.y + dy * $0 / length) }
  }
}
