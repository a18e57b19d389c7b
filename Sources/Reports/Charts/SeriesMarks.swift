/// The data of a chart as marks.
struct SeriesMarks {
  /// A series with its points' places.
  private struct Placed {
    let series: Chart.Series
    let color: Int
    let marker: Marker
    /// Nil for gaps.
    let places: [Position?]
    /// The polylines between gaps.
    let runs: [[Position]]
    /// The lines of each point's error bar, within the plot.
    let errorBars: [[[Position]]]

    var isBars: Bool { series.style == .bars }
  }

  private let layout: ChartLayout
  private let placed: [Placed]
  private var chart: Chart { layout.chart }
  private var plot: Rectangle { layout.plot }

  init(_ layout: ChartLayout) {
    self.layout = layout
    placed = layout.chart.series.enumerated().map { number, series in
      let places = series.points.map { point in
        point.y.flatMap(layout.y.callAsFunction).flatMap { y in
          layout.x(of: point, number).map { Position($0, y) }
        }
      }
      return Placed(
        series: series, color: series.color ?? number, marker: layout.chart.marker(of: number),
        places: places, runs: places.split(separator: nil).map { subset($0.compactMap { $0 }) },
        errorBars: zip(series.points, places).map { layout.errorBar($0, at: $1) })
    }
  }

  func marks() -> [Mark] {
    let bars = placed.filter(\.isBars).flatMap(barMarks)
    let points = placed.filter { !$0.isBars }.flatMap(pointMarks)
    return bars + points + labels().map(Mark.label)
  }

  private func pointMarks(_ placed: Placed) -> [Mark] {
    let series = placed.series
    let paint = ChartStyle.line(color: placed.color, isFaint: series.isFaint)
    let errors = Mark.strokes(placed.errorBars.flatMap { $0 }, width: ChartStyle.errorWidth, paint)
    let seen = placed.places.compactMap { $0 }.filter(plot.contains)
    if series.style == .scatter {
      let dots = Paint(.series(placed.color), opacity: series.isFaint ? 0.35 : 0.8)
      return [errors, .dots(subset(dots: seen), .circle, radius: ChartStyle.dotRadius, dots)]
    }

    let width = ChartStyle.lineWidth(isFaint: series.isFaint)
    let line = Mark.strokes(placed.runs.flatMap(plot.clip), width: width, paint)
    if series.style == .line {
      // A value between two gaps would be a dot too small to see.
      let alone = placed.runs.filter { $0.count == 1 }.joined().filter(plot.contains)
      return [line, errors, .dots(alone, .circle, radius: ChartStyle.dotRadius, paint)]
    }
    let radius = ChartStyle.markerRadius
    // A rim of the ground parts markers from the lines that pass behind them.
    let rim = Mark.dots(seen, placed.marker, radius: radius + 1.1, Paint(.ground))
    return [line, rim, errors, .dots(seen, placed.marker, radius: radius, paint)]
  }

  private func barMarks(_ placed: Placed) -> [Mark] {
    let paint = ChartStyle.bar(color: placed.color, isFaint: placed.series.isFaint)
    let half = layout.barStep * 0.46
    let ground = layout.y.clamped(0) ?? plot.bottom
    let bars: [Mark] = placed.places.compactMap { place in
      guard let place else { return nil }
      let end = min(max(place.y, plot.top), plot.bottom)
      let box = Rectangle(
        left: max(place.x - half, plot.left), top: min(end, ground), right: min(place.x + half, plot.right),
        bottom: max(end, ground))
      return box.left < box.right && box.top < box.bottom ? .fill(box.corners, paint) : nil
    }
    let errors = placed.errorBars.flatMap { $0 }
    return bars + [.strokes(errors, width: ChartStyle.errorWidth, ChartStyle.barError)]
  }

  /// The texts at points, in their series' colour where several series have lines.
  private func labels() -> [Label] {
    var labels = PointLabels(plot: plot)
    var wishes: [PointLabels.Wish] = []
    for (number, placed) in placed.enumerated() {
      let series = placed.series
      for run in placed.isBars || series.style == .scatter ? [] : placed.runs { labels.avoid(run) }
      for (index, point) in series.points.enumerated() {
        let place = placed.places[index], errorBar = placed.errorBars[index]
        if let place, !placed.isBars { labels.avoid(dot: place) }
        for line in errorBar { labels.avoid(line) }
        guard let text = point.label, !text.isEmpty, let x = layout.x(of: point, number) else { continue }
        let heights = errorBar.joined().map(\.y) + (place.map { [$0.y] } ?? [])
        wishes.append(
          PointLabels.Wish(
            text: text, x: x, y: place?.y, high: heights.min() ?? plot.bottom,
            low: heights.max() ?? plot.bottom, isBar: placed.isBars,
            paint: placed.isBars || chart.series.count == 1 ? Paint(.text) : Paint(.series(placed.color))))
      }
    }
    return labels.place(wishes)
  }
}

// MARK: Where points lie

extension ChartLayout {
  /// A point's place along x. In a category, bars stand beside each other, and markers with error bars a little apart.
  fileprivate func x(of point: Chart.Point, _ number: Int) -> Double? {
    guard let x = x(point.x) else { return nil }
    for (group, step) in [(chart.barSeries, barStep), (chart.seriesApart, stepApart)] {
      guard let place = group.firstIndex(of: number) else { continue }
      return x + (Double(place) - Double(group.count - 1) / 2) * step
    }
    return x
  }

  /// From one bar's middle to the next one's: all bars of a category take 0.72 of its width.
  fileprivate var barStep: Double { min(categoryWidth * 0.72 / Double(max(1, chart.barSeries.count)), 40) }

  private var stepApart: Double { min(categoryWidth * 0.4 / Double(max(1, chart.seriesApart.count)), 6) }

  private var categoryWidth: Double {
    (plot.right - plot.left) / Double(max(1, chart.categories?.count ?? 1))
  }

  /// A vertical line of the deviation in both directions, with short caps where its ends are in the plot.
  fileprivate func errorBar(_ point: Chart.Point, at place: Position?) -> [[Position]] {
    guard let place, let value = point.y, let deviation = point.deviation, deviation.isFinite, deviation > 0,
      let low = y.clamped(value - deviation), let high = y.clamped(value + deviation)
    else { return [] }
    var lines = plot.clip([Position(place.x, low), Position(place.x, high)])
    for end in [value - deviation, value + deviation] {
      guard let y = y(end), plot.contains(Position(place.x, y)) else { continue }
      lines += plot.clip([Position(place.x - 3, y), Position(place.x + 3, y)])
    }
    return lines
  }
}

extension Chart {
  /// The numbers of the series that are bars.
  fileprivate var barSeries: [Int] { series.indices.filter { series[$0].style == .bars } }

  /// The numbers of the series with markers whose error bars would lie on each other.
  fileprivate var seriesApart: [Int] {
    guard categories != nil else { return [] }
    return series.indices.filter { number in
      series[number].style == .markedLine && series[number].points.contains { $0.deviation != nil }
    }
  }
}
