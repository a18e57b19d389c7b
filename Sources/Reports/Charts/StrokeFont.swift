import Methods

/// Letters of lines, for pictures made where no font is installed.
///
/// The widths are close to Helvetica's, so that the layout measures text with them for SVG as well.
enum StrokeFont {
  /// A character at a size of 1 em, y downwards from the baseline.
  struct Glyph: Sendable {
    let advance: Double
    let strokes: [[Position]]
  }

  /// Units of ``Glyphs`` to the em.
  private static let em = 14.0
  /// Between two letters, half on each side, in units.
  private static let spacing = 2.35

  /// How thick lines are, in em.
  static func weight(isBold: Bool) -> Double { isBold ? 0.115 : 0.084 }

  /// What thicker lines take from the space between letters and get back, in em.
  private static func extraSpacing(isBold: Bool) -> Double { isBold ? 0.02 : 0 }

  /// The width of one line of `text` in points.
  static func width(of text: String, size: Double, isBold: Bool = false) -> Double {
    text.reduce(0) { $0 + glyph($1).advance + extraSpacing(isBold: isBold) } * size
  }

  static func glyph(_ character: Character) -> Glyph {
    glyphs[character] ?? unknown
  }

  /// The lines of `label` in points.
  static func strokes(of label: Label) -> [[Position]] {
    let width = width(of: label.text, size: label.size, isBold: label.isBold)
    var pen: Double
    switch label.anchor {
    case .start: pen = 0
    case .middle: pen = -width / 2
    case .end: pen = -width
    }
    let turn = Rotation(degrees: label.angle)
    var lines: [[Position]] = []
    for character in label.text {
      let glyph = glyph(character)
      for stroke in glyph.strokes {
        lines.append(
          stroke.map { turn(Position(pen + $0.x * label.size, $0.y * label.size), around: label.position) })
      }
      pen += (glyph.advance + extraSpacing(isBold: label.isBold)) * label.size
    }
    return lines
  }

  private static let unknown = parsed(Glyphs.unknown)
  private static let glyphs = Glyphs.table.mapValues(parsed)

  private static func parsed(_ source: (width: Double, strokes: String)) -> Glyph {
    let strokes = source.strokes.split(separator: ";").map { stroke($0) }
    return Glyph(advance: (source.width + spacing) / em, strokes: strokes)
  }

  private static func stroke(_ source: Substring) -> [Position] {
    var line: [Position] = []
    var corner: Position?
    for word in source.split(separator: " ") {
      let isCorner = word.hasPrefix("*")
      let numbers = word.drop { $0 == "*" }.split(separator: ",").map { Double($0) ?? .nan }
      precondition(numbers.count == 2, "\"\(word)\" in a glyph, want \"x,y\"")
      let place = Position((numbers[0] + spacing / 2) / em, -numbers[1] / em)
      if isCorner {
        corner = place
      } else if let round = corner, let start = line.last {
        line += arc(from: start, corner: round, to: place)
        corner = nil
      } else {
        line.append(place)
      }
    }
    return line
  }

  /// A cubic Bézier curve that is a quarter of an ellipse to 0.03 %, without its start.
  private static func arc(from start: Position, corner: Position, to end: Position) -> [Position] {
    let pull = 0.5523
    let a = Position(start.x + (corner.x - start.x) * pull, start.y + (corner.y - start.y) * pull)
    let b = Position(end.x + (corner.x - end.x) * pull, end.y + (corner.y - end.y) * pull)
    let steps = 8
    return (1...steps).map { step in
      let t = Double(step) / Double(steps), s = 1 - t
      let w0 = s * s * s, w1 = 3 * s * s * t, w2 = 3 * s * t * t, w3 = t * t * t
      return Position(
        w0 * start.x + w1 * a.x + w2 * b.x + w3 * end.x, w0 * start.y + w1 * a.y + w2 * b.y + w3 * end.y)
    }
  }
}
