extension Chart {
  /// The chart as marks, ready for ``Drawing/svg(_:)``.
  ///
  /// Traps on categories along y, on bars that do not stand on categories, and on bars along a logarithmic axis, which
  /// has no zero to stand on.
  package func drawing() -> Drawing {
    if case .categories = y.scale { preconditionFailure("categories on the y axis of \"\(title)\"") }
    if series.contains(where: { $0.style == .bars }) {
      precondition(categories != nil, "bars of \"\(title)\" over numbers, want categories")
      precondition(y.scale != .logarithmic, "bars of \"\(title)\" on a logarithmic axis")
    }
    return Drawing(width: width, height: height, title: title, marks: ChartLayout(self).marks())
  }

  /// The names along x, where x has names.
  var categories: [String]? {
    if case .categories(let names) = x.scale { names } else { nil }
  }
}

/// A chart's parts with their places.
struct ChartLayout {
  let chart: Chart
  let legend: Legend
  let plot: Rectangle
  let x: Projection
  let y: Projection
  private let xTicks: [Tick]
  private let yTicks: [Tick]
  private let slantsCategories: Bool

  init(_ chart: Chart) {
    self.chart = chart
    let margin = ChartStyle.margin
    legend = Legend(
      ChartLayout.legendEntries(chart), width: chart.width - 2 * margin,
      maximumRows: max(1, Int(chart.height / 4 / Legend.rowHeight)))
    let top = margin + ChartLayout.titleHeight(chart) + legend.height + (legend.rows.isEmpty ? 2 : 8)

    let yRange = Projection(chart.y, values: chart.shownY, padding: chart.yPadding)
    let roughHeight = max(20, chart.height - top - 44)
    yTicks = chart.y.ticks.map(yRange.ticks) ?? yRange.ticks(count: max(2, Int(roughHeight / 30)))
    let widest = yTicks.map { FontMetrics.width(of: $0.label, size: ChartStyle.tickSize) }.max() ?? 0
    let left = margin + (chart.y.label.isEmpty ? 0 : 18) + widest + 7
    let right = max(left + 20, chart.width - margin - 6)

    let names = chart.categories ?? []
    let step = (right - left) / Double(max(1, names.count))
    let nameWidths = names.map { FontMetrics.width(of: $0, size: ChartStyle.tickSize) }
    slantsCategories = nameWidths.contains { $0 > step - 6 }
    let slanted = min((nameWidths.max() ?? 0) * 0.7, chart.height / 4)
    let labelRow = slantsCategories ? slanted + 12 : 17
    let bottom = chart.height - margin - (chart.x.label.isEmpty ? 0 : 17) - labelRow
    plot = Rectangle(left: left, top: top, right: right, bottom: max(top + 20, bottom))

    let xRange =
      names.isEmpty
      ? Projection(chart.x, values: chart.shownX, padding: chart.xPadding)
      : Projection(linear: -0.5...(Double(names.count) - 0.5))
    xTicks =
      chart.categories.map { names in names.indices.map { Tick(value: Double($0), label: names[$0]) } }
      ?? ChartLayout.ticks(xRange, of: chart, width: right - left)
    x = xRange.spanning(plot.left, plot.right)
    y = yRange.spanning(plot.bottom, plot.top)
  }

  func marks() -> [Mark] {
    var marks = grid() + levels()
    marks += SeriesMarks(self).marks()
    marks += axes() + texts()
    return marks
  }

  /// As many ticks as there is room for their labels; of chosen ones, those without room lose their labels.
  private static func ticks(_ projection: Projection, of chart: Chart, width: Double) -> [Tick] {
    let placed = projection.spanning(0, width)
    func withRoom(_ ticks: [Tick]) -> [Tick] {
      var end = -Double.infinity
      return ticks.map { tick in
        let half = FontMetrics.width(of: tick.label, size: ChartStyle.tickSize) / 2
        guard !tick.isMinor, let place = placed(tick.value), place - half >= end + 8 else {
          return Tick(value: tick.value, label: "")
        }
        end = place + half
        return tick
      }
    }
    if let chosen = chart.x.ticks { return withRoom(projection.ticks(chosen.sorted())) }
    // There is no epoch 1.5.
    let leastStep = chart.shownX.allSatisfy { $0 == $0.rounded() } ? 1.0 : 0
    for count in stride(from: max(1, Int(width / 50)), to: 1, by: -1) {
      let ticks = projection.ticks(count: count, leastStep: leastStep)
      if withRoom(ticks) == ticks { return ticks }
    }
    return withRoom(projection.ticks(count: 1, leastStep: leastStep))
  }

  private static func titleHeight(_ chart: Chart) -> Double { chart.title.isEmpty ? 0 : 21 }

  /// Empty for a single series without bands or levels: the title or the axis names it.
  private static func legendEntries(_ chart: Chart) -> [Legend.Entry] {
    let series = chart.series.enumerated().filter { !$1.name.isEmpty }.map { number, series in
      Legend.Entry(
        text: series.name,
        swatch: .series(
          series.style, color: series.color ?? number, marker: chart.marker(of: number),
          isFaint: series.isFaint))
    }
    let bands = chart.bands.filter { !$0.label.isEmpty }.map { Legend.Entry(text: $0.label, swatch: .band) }
    let levels = chart.levels.filter { !$0.label.isEmpty && $0.value.isFinite }.map {
      Legend.Entry(text: $0.label, swatch: .level)
    }
    let entries = series + bands + levels
    return chart.series.count <= 1 && entries.count <= series.count ? [] : entries
  }
}

// MARK: The frame

extension ChartLayout {
  private func grid() -> [Mark] {
    var marks: [Mark] = []
    for band in chart.bands {
      guard let low = y.clamped(band.range.lowerBound), let high = y.clamped(band.range.upperBound),
        low != high
      else { continue }
      let box = Rectangle(left: plot.left, top: high, right: plot.right, bottom: low)
      marks.append(.fill(box.corners, ChartStyle.band))
    }
    var lines = yTicks.compactMap { tick -> [Position]? in
      guard !tick.isMinor, let place = y(tick.value) else { return nil }
      return [Position(plot.left, place), Position(plot.right, place)]
    }
    if chart.categories == nil {
      lines += xTicks.compactMap { tick -> [Position]? in
        guard !tick.isMinor, let place = x(tick.value) else { return nil }
        return [Position(place, plot.top), Position(place, plot.bottom)]
      }
    }
    marks.append(.strokes(lines, width: 0.7, ChartStyle.grid))
    return marks
  }

  private func levels() -> [Mark] {
    chart.levels.compactMap { level in
      guard let place = y(level.value), place >= plot.top, place <= plot.bottom else { return nil }
      let line = dashed(
        from: Position(plot.left, place), to: Position(plot.right, place), dash: 4, gap: 3.5)
      return .strokes(line, width: 1, ChartStyle.level)
    }
  }

  /// The x axis with its ticks; along y the grid is enough.
  private func axes() -> [Mark] {
    var lines = [[Position(plot.left, plot.bottom), Position(plot.right, plot.bottom)]]
    if chart.categories == nil {
      for tick in xTicks {
        guard let place = x(tick.value) else { continue }
        lines.append([Position(place, plot.bottom), Position(place, plot.bottom + (tick.isMinor ? 2.2 : 4))])
      }
    }
    return [.strokes(lines, width: 0.9, ChartStyle.axis)]
  }

  private func texts() -> [Mark] {
    var labels = tickLabels()
    let margin = ChartStyle.margin
    if !chart.title.isEmpty {
      let text = shortened(
        chart.title, to: chart.width - 2 * margin, size: ChartStyle.titleSize, isBold: true)
      let place = Position(margin, margin + ChartStyle.titleSize * 0.75)
      labels.append(Label(text: text, position: place, size: ChartStyle.titleSize, isBold: true))
    }
    let size = ChartStyle.axisLabelSize
    if !chart.x.label.isEmpty {
      let text = shortened(chart.x.label, to: plot.right - plot.left, size: size)
      let place = Position((plot.left + plot.right) / 2, chart.height - margin)
      labels.append(Label(text: text, position: place, size: size, anchor: .middle))
    }
    if !chart.y.label.isEmpty {
      let text = shortened(chart.y.label, to: chart.height - 2 * margin, size: size)
      // Beside the plot's middle, moved up or down where it is longer than the plot.
      let half = FontMetrics.width(of: text, size: size) / 2
      let middle = min(max((plot.top + plot.bottom) / 2, margin + half), chart.height - margin - half)
      let place = Position(margin + size * 0.75, middle)
      labels.append(Label(text: text, position: place, size: size, anchor: .middle, angle: -90))
    }
    return legend.marks(at: Position(margin, margin + ChartLayout.titleHeight(chart)))
      + labels.map(Mark.label)
  }

  private func tickLabels() -> [Label] {
    let size = ChartStyle.tickSize, paint = ChartStyle.axis
    var labels: [Label] = []
    for tick in yTicks where !tick.isMinor {
      guard let place = y(tick.value) else { continue }
      let position = Position(plot.left - 7, place + 0.36 * size)
      labels.append(Label(text: tick.label, position: position, size: size, anchor: .end, paint: paint))
    }
    for tick in xTicks where !tick.isMinor {
      guard let place = x(tick.value) else { continue }
      if slantsCategories {
        let text = shortened(tick.label, to: chart.height / 4 / 0.7, size: size)
        let position = Position(place + 3, plot.bottom + 11)
        labels.append(
          Label(text: text, position: position, size: size, anchor: .end, angle: -40, paint: paint))
      } else {
        let half = FontMetrics.width(of: tick.label, size: size) / 2
        let center = min(max(place, half + 2), chart.width - half - 2)
        let position = Position(center, plot.bottom + 15)
        labels.append(Label(text: tick.label, position: position, size: size, anchor: .middle, paint: paint))
      }
    }
    return labels
  }
}

// MARK: Ranges of the axes

extension Chart {
  fileprivate var shownX: [Double] {
    series.flatMap { $0.points.lazy.filter { $0.y != nil || $0.label != nil }.map(\.x) }
  }

  fileprivate var shownY: [Double] {
    var values: [Double] = []
    for series in series {
      if series.style == .bars { values.append(0) }
      for point in series.points {
        guard let y = point.y, y.isFinite else { continue }
        values.append(y)
        if let deviation = point.deviation { values += [y - deviation, y + deviation] }
      }
    }
    return values + bands.flatMap { [$0.range.lowerBound, $0.range.upperBound] } + levels.map(\.value)
  }

  /// Texts above the highest point need room.
  fileprivate var yPadding: Double {
    series.contains { $0.points.contains { $0.label != nil } } ? 0.1 : 0.05
  }

  /// Curves reach from side to side; dots keep off the edges.
  fileprivate var xPadding: Double {
    series.contains { $0.style != .line } ? 0.04 : 0
  }

  /// Lines with markers differ in shape too; scattered points by colour alone.
  func marker(of number: Int) -> Marker {
    Marker.allCases[number % Marker.allCases.count]
  }
}
