import Testing
@testable import Reports

@Suite struct StrokeFontTests {
  /// Printable ASCII and the signs that the system's labels use.
  private static let characters: [Character] =
    (0x20...0x7E).map { Character(Unicode.Scalar(UInt8($0))) } + Array("±×−–…τ")

  @Test func everyCharacterHasAShapeOfItsOwn() {
    var shapes: Set<String> = []
    for character in Self.characters {
      #expect(Glyphs.table[character] != nil, "\(character)")
      shapes.insert(Glyphs.table[character]?.strokes ?? "")
    }
    // The short dashes "–" and "−" differ in width and height, so nothing is shared.
    #expect(shapes.count == Self.characters.count)
  }

  @Test func inkStaysInItsBox() {
    for character in Glyphs.table.keys {
      let glyph = StrokeFont.glyph(character)
      let ink = glyph.strokes.joined()
      #expect(ink.isEmpty == (character == " "), "\(character)")
      // Between the bearings, and between a descender (3 of 14 units) and the top of a bracket (11.3 of 14).
      for place in ink {
        #expect(place.x >= 0.05 && place.x <= glyph.advance - 0.05, "\(character) at x \(place.x)")
        #expect(place.y >= -11.4 / 14 && place.y <= 3.1 / 14, "\(character) at y \(place.y)")
      }
    }
  }

  @Test func everyGlyphLeavesInk() {
    for character in Glyphs.table.keys where character != " " {
      let label = Label(text: String(character), position: Position(10, 20), size: 14)
      let drawing = Drawing(width: 30, height: 30, title: "", marks: [.label(label)])
      let image = drawing.image(scale: 1)
      #expect(image.pixels.contains { $0 < 160 }, "\(character)")
    }
  }

  @Test func digitsAreEquallyWide() {
    let widths = Set("0123456789".map { StrokeFont.glyph($0).advance })
    #expect(widths.count == 1)
  }

  @Test func anUnknownCharacterIsABox() {
    #expect(StrokeFont.glyph("語").strokes.count == 1)
    #expect(StrokeFont.glyph("語").strokes.first?.count == 5)
  }

  @Test func anchorsMoveTheTextByItsWidth() {
    func left(_ anchor: Label.Anchor) -> Double {
      let label = Label(text: "loss", position: Position(100, 0), size: 10, anchor: anchor)
      return StrokeFont.strokes(of: label).joined().map(\.x).min() ?? .nan
    }
    let width = StrokeFont.width(of: "loss", size: 10)
    #expect(abs(left(.start) - left(.middle) - width / 2) < 1e-9)
    #expect(abs(left(.start) - left(.end) - width) < 1e-9)
  }

  @Test func textTurnsAroundItsAnchor() {
    let upright = Label(text: "K", position: Position(50, 50), size: 14)
    let turned = Label(text: "K", position: Position(50, 50), size: 14, angle: -90)
    let pairs = Array(
      zip(StrokeFont.strokes(of: upright).joined(), StrokeFont.strokes(of: turned).joined()))
    #expect(pairs.count > 4)
    for (a, b) in pairs {
      // A quarter turn to the left: what was right is up.
      #expect(abs((b.x - 50) - (a.y - 50)) < 1e-9)
      #expect(abs((b.y - 50) + (a.x - 50)) < 1e-9)
    }
  }
}
