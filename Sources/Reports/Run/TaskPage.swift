/// Parts that the pages of a detector's and of a segmenter's run have in common.
enum TaskPage {
  /// - Parameters:
  ///   - kind: As "detection run".
  ///   - lead: Sentences: what was trained on, how long.
  ///   - state: Whether and how the run has ended.
  static func header(_ kind: String, name: String, lead: String, state: String, tiles: [HTML]) -> HTML {
    """
    <header>
    <p class="eyebrow">Momentum Contrast · \(kind)</p>
    <h1>\(name)</h1>
    <p class="lead">\(lead)</p>
    <p class="state">\(state)</p>
    <dl class="tiles">
    \(tiles)
    </dl>
    </header>
    """
  }

  static func tile(_ name: String, _ value: String, _ note: String) -> HTML {
    "<div><dt>\(name)</dt><dd>\(value)<small>\(note)</small></dd></div>"
  }

  static func figure(_ chart: Chart) -> HTML { figure(chart.drawing()) }

  /// - Parameter isEnlarged: Whether a drawing that is narrower than the page fills it, and its letters grow with it.
  static func figure(_ drawing: Drawing, isEnlarged: Bool = true) -> HTML {
    let svg = HTML(markup: drawing.svg(.page))
    guard !isEnlarged else { return "<figure class=\"chart\">\(svg)</figure>" }
    return
      "<figure class=\"chart\"><div style=\"max-width: \(coordinate(drawing.width))px\">\(svg)</div></figure>"
  }

  static func learning(_ charts: [Chart], lead: String) -> [HTML] {
    guard !charts.isEmpty else { return [.missing("No step has been logged yet.")] }
    return [.paragraph(lead), "<div class=\"charts three\">\n\(charts.map(figure))\n</div>"]
  }

  static func settings(_ values: [(key: String, value: String)]) -> HTML {
    guard !values.isEmpty else { return .missing("The run has no configuration.") }
    let rows: [HTML] = values.map { "<div><dt>\($0.key)</dt><dd>\($0.value)</dd></div>" }
    return "<dl class=\"settings\">\n\(rows)\n</dl>"
  }
}
