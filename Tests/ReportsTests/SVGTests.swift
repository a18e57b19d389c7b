import Foundation
import Testing
@testable import Reports

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct SVGTests {
  private static let hostile = "</text><script>alert(\"1\")</script> & 'x' \u{0}\u{1B}\u{FFFE}\n]]> 語 ±"

  private static let chart = Chart(
    title: hostile, x: .init(hostile, scale: .categories(["a<b", "&amp;", hostile])), y: .init("y"),
    series: [
      .init(hostile, style: .bars, values: [1, 2, 3], deviations: [0.1, nil, .nan]),
      .init("marked", points: [.init(0, 1, label: hostile), .init(1, nil, label: "fail"), .init(2, 2)]),
    ], bands: [.init(hostile, 1...2)], levels: [.init(hostile, 1.5)])

  @Test(arguments: [SVGUse.file(), .file(isTransparent: true), .page])
  func hostileTextIsWellFormed(use: SVGUse) throws {
    let elements = try parsed(Self.chart.drawing().svg(use))
    #expect(elements.names.first == "svg")
    #expect(!elements.names.contains("script"))
    #expect(elements.names.filter { $0 == "title" }.count == 1)
    #expect(
      elements.texts.contains { $0.hasPrefix("</text><script>alert(\"1\")</script> & 'x' \u{FFFD}\u{FFFD}") })
  }

  @Test func aFileHasPlainColoursOnly() throws {
    let text = Self.chart.drawing().svg()
    #expect(!text.contains("var("))
    #expect(!text.contains("currentColor"))
    #expect(text.contains("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"))
    #expect(!Self.chart.drawing().svg(.file(isTransparent: true)).contains("<rect"))
  }

  @Test func aPageMayRestyleEveryColour() throws {
    let text = Self.chart.drawing().svg(.page)
    #expect(text.contains("style=\"fill:var(--series-1,#0072b2)\""))
    #expect(text.contains("style=\"fill:currentColor\""))
    #expect(!text.contains("fill=\"#"))
    #expect(!text.contains("stroke=\"#"))
    #expect(text.contains("role=\"img\""))
  }

  @Test func everyMarkBecomesOneElement() throws {
    let drawing = Drawing(
      width: 20, height: 10.5, title: "t",
      marks: [
        .strokes(
          [[Position(1, 2), Position(3.005, -4.5)], [Position(7, 7)]], width: 1.25, Paint(.text, opacity: 0.5)
        ),
        .fill([Position(0, 0), Position(1, 0), Position(0, 1)], Paint(.series(1))),
        .dots([Position(5, 5)], .circle, radius: 2, Paint(.grid)),
        .label(Label(text: "a", position: Position(1, 2), size: 9, anchor: .end, isBold: true, angle: -90)),
      ])
    let text = drawing.svg(.file(isTransparent: true))
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.count == 7)
    #expect(lines[0].contains("width=\"20\" height=\"10.5\" viewBox=\"0 0 20 10.5\""))
    #expect(
      lines[2]
        == "<path d=\"M1 2L3.01 -4.5M7 7h0\" fill=\"none\" stroke=\"#1f1f1f\" stroke-opacity=\"0.5\" stroke-width=\"1.25\"/>"
    )
    #expect(lines[3] == "<path d=\"M0 0L1 0L0 1z\" fill=\"#d55e00\"/>")
    #expect(lines[4] == "<path d=\"M5 5h0\" fill=\"none\" stroke=\"#e4e4e4\" stroke-width=\"4\"/>")
    #expect(
      lines[5]
        == "<text x=\"1\" y=\"2\" font-size=\"9\" text-anchor=\"end\" font-weight=\"600\" transform=\"rotate(-90 1 2)\" fill=\"#1f1f1f\">a</text>"
    )
  }

  @Test(arguments: [
    (0.0, "0"), (-0.0, "0"), (-0.004, "0"), (1.5, "1.5"), (1.25, "1.25"), (-1.25, "-1.25"), (0.05, "0.05"),
    (-0.05, "-0.05"), (9_999.999, "10000"), (2.675, "2.68"),
  ])
  func coordinatesHaveTwoDecimals(value: Double, text: String) {
    #expect(coordinate(value) == text)
  }

  @Test func equalChartsGiveEqualBytes() throws {
    let again = Self.chart
    #expect(Self.chart.drawing().svg() == again.drawing().svg())
  }

  @Test func drawingsStandInRows() {
    let dot = Drawing(
      width: 20, height: 10, title: "one",
      marks: [.dots([Position(1, 2)], .circle, radius: 1, Paint(.text))])
    let sheet = Drawing([dot, dot, dot], columns: 2, gap: 5, title: "three")
    #expect((sheet.width, sheet.height, sheet.title) == (55, 35, "three"))
    let places = sheet.marks.flatMap { if case .dots(let places, _, _, _) = $0 { places } else { [] } }
    #expect(places == [Position(6, 7), Position(31, 7), Position(6, 22)])
  }

  private func parsed(_ svg: String) throws -> Elements {
    let elements = Elements()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = elements
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    return elements
  }
}

/// The names of a document's elements in order, and the texts inside of them.
private final class Elements: NSObject, XMLParserDelegate {
  private(set) var names: [String] = []
  private(set) var texts: [String] = [""]

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    names.append(name)
    texts.append("")
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) {
    texts[texts.count - 1] += text
  }
}
