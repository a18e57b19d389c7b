/// A place on a drawing in points from its upper left corner.
package struct Position: Sendable, Equatable {
  package var x: Double
  package var y: Double

  package init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }
}

/// The purpose of a mark, which decides its colour.
package enum Ink: Sendable, Equatable {
  /// The colour of a series, counted from 0; the ``Palette`` repeats.
  case series(Int)
  case text
  /// Axis lines, tick labels and other things that are looked up rather than read.
  case muted
  case grid
  /// The ground, where it must show between marks.
  case ground
}

/// An ink and its opacity, 0 to 1.
package struct Paint: Sendable, Equatable {
  package var ink: Ink
  package var opacity: Double

  package init(_ ink: Ink, opacity: Double = 1) {
    self.ink = ink
    self.opacity = opacity
  }
}

/// The shape of a data point.
package enum Marker: Sendable, Equatable, CaseIterable {
  case circle, square, triangle, diamond

  /// The corners around `center`; nil for a circle. Sized so that all shapes look equally large.
  func outline(around center: Position, radius: Double) -> [Position]? {
    let corners: [(Double, Double)]
    switch self {
    case .circle: return nil
    case .square: corners = [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]
    case .triangle: corners = [(0, -1.25), (1.15, 0.8), (-1.15, 0.8)]
    case .diamond: corners = [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)]
    }
    return corners.map { Position(center.x + $0.0 * radius, center.y + $0.1 * radius) }
  }
}

/// One line of text.
package struct Label: Sendable, Equatable {
  package enum Anchor: Sendable, Equatable {
    case start, middle, end
  }

  package var text: String
  /// The anchor, on the baseline.
  package var position: Position
  /// The font's size: capitals are about 0.7 times as high.
  package var size: Double
  package var anchor: Anchor
  package var isBold: Bool
  /// Degrees clockwise around `position`.
  package var angle: Double
  package var paint: Paint

  package init(
    text: String, position: Position, size: Double, anchor: Anchor = .start, isBold: Bool = false,
    angle: Double = 0,
    paint: Paint = Paint(.text)
  ) {
    self.text = text
    self.position = position
    self.size = size
    self.anchor = anchor
    self.isBold = isBold
    self.angle = angle
    self.paint = paint
  }
}

/// An element of a drawing.
package enum Mark: Sendable, Equatable {
  /// Polylines of one width with round ends and joints, painted once where they overlap. A line of one position is a
  /// dot.
  case strokes([[Position]], width: Double, Paint)
  /// The inside of a polygon.
  case fill([Position], Paint)
  /// Equal shapes, painted once where they overlap.
  case dots([Position], Marker, radius: Double, Paint)
  case label(Label)
}

/// Marks from the back to the front; ``svg(_:)`` writes them.
package struct Drawing: Sendable, Equatable {
  package let width: Double
  package let height: Double
  /// The text for screen readers.
  package let title: String
  package let marks: [Mark]

  /// Traps on a size or a place that is not finite, which could not be drawn.
  package init(width: Double, height: Double, title: String, marks: [Mark]) {
    precondition(
      width > 0 && height > 0 && width <= 10_000 && height <= 10_000,
      "a drawing of \(width) x \(height) points")
    precondition(marks.allSatisfy(\.isFinite), "a mark of \"\(title)\" that is nowhere")
    self.width = width
    self.height = height
    self.title = title
    self.marks = marks
  }
}

extension Drawing {
  /// Drawings of one size beside each other.
  init(_ drawings: [Drawing], columns: Int, gap: Double, title: String) {
    let width = drawings.map(\.width).max() ?? 0, height = drawings.map(\.height).max() ?? 0
    let rows = (drawings.count + columns - 1) / columns
    let marks = drawings.enumerated().flatMap { number, drawing in
      let x = gap + Double(number % columns) * (width + gap)
      let y = gap + Double(number / columns) * (height + gap)
      return drawing.marks.map { $0.moved(by: Position(x, y)) }
    }
    self.init(
      width: gap + Double(min(columns, drawings.count)) * (width + gap),
      height: gap + Double(rows) * (height + gap), title: title, marks: marks)
  }
}

extension Mark {
  /// The same mark elsewhere.
  func moved(by offset: Position) -> Mark {
    func moved(_ place: Position) -> Position { Position(place.x + offset.x, place.y + offset.y) }
    switch self {
    case .strokes(let lines, let width, let paint):
      return .strokes(lines.map { $0.map(moved) }, width: width, paint)
    case .fill(let corners, let paint): return .fill(corners.map(moved), paint)
    case .dots(let centers, let marker, let radius, let paint):
      return .dots(centers.map(moved), marker, radius: radius, paint)
    case .label(var label):
      label.position = moved(label.position)
      return .label(label)
    }
  }

  var isFinite: Bool {
    switch self {
    case .strokes(let lines, let width, _): width.isFinite && lines.allSatisfy { $0.allSatisfy(\.isFinite) }
    case .fill(let corners, _): corners.allSatisfy(\.isFinite)
    case .dots(let centers, _, let radius, _): radius.isFinite && centers.allSatisfy(\.isFinite)
    case .label(let label): label.position.isFinite && label.size.isFinite && label.angle.isFinite
    }
  }
}

extension Position {
  var isFinite: Bool { x.isFinite && y.isFinite }
}
