/// Colours that people with any colour vision can distinguish.
///
/// The hues of Okabe and Ito, *Color Universal Design* (2008), with their yellow darkened to be visible on white, then
/// two of Paul Tol's "muted" scheme, so that ten classes have ten colours.
package enum Palette {
  /// A colour of 8 bits a channel.
  package struct Color: Sendable, Equatable {
    package let red: UInt8
    package let green: UInt8
    package let blue: UInt8

    init(_ hex: UInt32) {
      red = UInt8(hex >> 16 & 0xFF)
      green = UInt8(hex >> 8 & 0xFF)
      blue = UInt8(hex & 0xFF)
    }

    /// As CSS and SVG write it, such as "#0072b2".
    package var hex: String {
      "#"
        + [red, green, blue].map { channel in
          let digits = String(channel, radix: 16)
          return digits.count < 2 ? "0" + digits : digits
        }.joined()
    }
  }

  /// Blue, vermillion, green, purple, orange, sky blue, yellow, gray, wine, olive.
  package static let series: [Color] = [
    0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9, 0xD8C800, 0x7A7A7A, 0x882255, 0x808000,
  ].map { Color($0) }

  /// Declarations of CSS variables for a dark page: the hues of ``series`` light enough to be read there, and grays.
  /// The page adds its own `--chart-ground`.
  package static let darkVariables =
    [
      0x4AA3DF, 0xF0803C, 0x2FC49A, 0xDC93BB, 0xF0B93C, 0x8CCBF2, 0xF0E442, 0xA8A8A8, 0xC9608C, 0xB5B54A,
    ].map { Color($0).hex }.enumerated().map { "--series-\($0 + 1):\($1);" }.joined()
    + "--chart-muted:#a3a8ae;--chart-grid:#33383e;"

  /// The colour of an ink on white paper.
  package static func color(of ink: Ink) -> Color {
    switch ink {
    case .series(let number): series[index(number)]
    case .text: Color(0x1F1F1F)
    case .muted: Color(0x636363)
    case .grid: Color(0xE4E4E4)
    case .ground: Color(0xFFFFFF)
    }
  }

  /// The colour on a page that may restyle it: `--series-1` … `--series-10`, `--chart-muted`, `--chart-grid`,
  /// `--chart-ground`; text has the page's own colour.
  static func style(of ink: Ink) -> String {
    let name: String
    switch ink {
    case .series(let number): name = "--series-\(index(number) + 1)"
    case .text: return "currentColor"
    case .muted: name = "--chart-muted"
    case .grid: name = "--chart-grid"
    case .ground: name = "--chart-ground"
    }
    return "var(\(name),\(color(of: ink).hex))"
  }

  private static func index(_ number: Int) -> Int {
    let rest = number % series.count
    return rest < 0 ? rest + series.count : rest
  }
}
