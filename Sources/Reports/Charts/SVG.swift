import Files

/// Where an SVG will be shown.
package enum SVGUse: Sendable, Equatable {
  /// A separate file: plain colours that every viewer understands, on white or transparent.
  case file(isTransparent: Bool = false)
  /// Inside a page: colours are CSS variables with fallbacks (see ``Palette``), text has the page's font and colour,
  /// and the ground is the page's.
  case page
}

extension Drawing {
  /// The drawing as an SVG element. Equal drawings give equal bytes.
  package func svg(_ use: SVGUse = .file()) -> String {
    let writer = SVGWriter(use: use)
    let size = "\(coordinate(width)) \(coordinate(height))"
    var text = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(coordinate(width))\""
    text += " height=\"\(coordinate(height))\" viewBox=\"0 0 \(size)\" role=\"img\""
    if use != .page { text += " font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\"" }
    text += " stroke-linecap=\"round\" stroke-linejoin=\"round\">\n<title>\(escapedForXML(title))</title>\n"
    if use == .file(isTransparent: false) {
      text += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    }
    for mark in marks { text += writer.element(mark) + "\n" }
    return text + "</svg>\n"
  }
}

private struct SVGWriter {
  let use: SVGUse

  func element(_ mark: Mark) -> String {
    switch mark {
    case .strokes(let lines, let width, let paint):
      return path(lines.map(open).joined(), stroke: width, paint)
    case .fill(let corners, let paint):
      return "<path d=\"\(open(corners))z\"\(color("fill", paint))/>"
    case .dots(let centers, let marker, let radius, let paint):
      let outlines = centers.compactMap { marker.outline(around: $0, radius: radius) }
      if !outlines.isEmpty {
        return "<path d=\"\(outlines.map { open($0) + "z" }.joined())\"\(color("fill", paint))/>"
      }
      // A line of no length has round ends: a dot in ten bytes.
      return path(centers.map { open([$0]) }.joined(), stroke: 2 * radius, paint)
    case .label(let label):
      return element(label)
    }
  }

  private func element(_ label: Label) -> String {
    let x = coordinate(label.position.x), y = coordinate(label.position.y)
    var text = "<text x=\"\(x)\" y=\"\(y)\" font-size=\"\(coordinate(label.size))\""
    switch label.anchor {
    case .start: break
    case .middle: text += " text-anchor=\"middle\""
    case .end: text += " text-anchor=\"end\""
    }
    if label.isBold { text += " font-weight=\"600\"" }
    if label.angle != 0 { text += " transform=\"rotate(\(coordinate(label.angle)) \(x) \(y))\"" }
    return text + color("fill", label.paint) + ">" + escapedForXML(label.text) + "</text>"
  }

  private func path(_ data: String, stroke width: Double, _ paint: Paint) -> String {
    "<path d=\"\(data)\" fill=\"none\"\(color("stroke", paint)) stroke-width=\"\(coordinate(width))\"/>"
  }

  private func open(_ line: [Position]) -> String {
    guard let first = line.first else { return "" }
    let start = "M\(coordinate(first.x)) \(coordinate(first.y))"
    if line.count == 1 { return start + "h0" }
    return start + line.dropFirst().map { "L\(coordinate($0.x)) \(coordinate($0.y))" }.joined()
  }

  private func color(_ attribute: String, _ paint: Paint) -> String {
    // As a style, because a presentation attribute may not hold a variable.
    let text =
      use == .page
      ? " style=\"\(attribute):\(Palette.style(of: paint.ink))\""
      : " \(attribute)=\"\(Palette.color(of: paint.ink).hex)\""
    return paint.opacity < 1 ? text + " \(attribute)-opacity=\"\(coordinate(paint.opacity))\"" : text
  }
}

/// A number with at most two decimals, written without the locale's or the C library's help.
func coordinate(_ value: Double) -> String {
  let hundredths = Int((value * 100).rounded())
  let whole = hundredths.magnitude / 100, rest = hundredths.magnitude % 100
  let sign = hundredths < 0 ? "-" : ""
  if rest == 0 { return "\(sign)\(whole)" }
  return "\(sign)\(whole)." + (rest % 10 == 0 ? "\(rest / 10)" : rest < 10 ? "0\(rest)" : "\(rest)")
}
