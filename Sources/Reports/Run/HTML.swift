import Files
import Foundation
import Images

/// A piece of a page. Interpolated text is escaped, so that no file name can become markup:
///
///     let row: HTML = "<td>\(name)</td>"
struct HTML: ExpressibleByStringInterpolation, Equatable {
  /// The markup.
  private(set) var text: String

  init(stringLiteral value: String) { text = value }
  init(stringInterpolation pieces: Pieces) { text = pieces.text }
  /// Markup that comes from this program, such as a drawing.
  init(markup: String) { text = markup }

  static func + (a: HTML, b: HTML) -> HTML { HTML(markup: a.text + b.text) }

  struct Pieces: StringInterpolationProtocol {
    var text = ""
    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }
    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ html: HTML) { text += html.text }
    mutating func appendInterpolation(_ list: [HTML]) { text += list.map(\.text).joined(separator: "\n") }
    mutating func appendInterpolation(_ number: Int) { text += "\(number)" }
    mutating func appendInterpolation(_ outside: String) { text += escapedForXML(outside) }
  }
}

extension HTML {
  /// A picture inside the page, with a description.
  static func picture(_ image: RGBImage, _ description: String, kind: String) throws -> HTML {
    // Few pixels must not blur; many would make the page heavy.
    let isSmall = image.width * image.height <= 64 * 64
    let (data, type) =
      isSmall ? (try image.pngData(), "image/png") : (try image.jpegData(quality: 85), "image/jpeg")
    return picture(data, type: type, description, kind: kind, width: image.width, height: image.height)
  }

  /// A picture's file inside the page.
  static func picture(
    _ data: Data, type: String, _ description: String, kind: String, width: Int, height: Int
  ) -> HTML {
    let source = HTML(markup: "data:\(type);base64,\(data.base64EncodedString())")
    return """
      <img class="\(kind)" width="\(width)" height="\(height)" alt="\(description)" title="\(description)" src="\(source)">
      """
  }

  /// A section with a heading.
  static func section(_ title: String, _ id: String, _ body: [HTML]) -> HTML {
    "<section id=\"\(id)\">\n<h2>\(title)</h2>\n\(body)\n</section>\n"
  }

  static func paragraph(_ text: String) -> HTML { "<p>\(text)</p>" }

  /// The text in place of a missing part.
  static func missing(_ text: String) -> HTML { "<p class=\"missing\">\(text)</p>" }
}
