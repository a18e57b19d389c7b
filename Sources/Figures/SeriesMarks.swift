/// The data of a chart as marks.
struct SeriesMarks {
  private let layout: ChartLayout
  private var chart: Chart { layout.chart }
  private var plot: Rectangle { layout.plot }

  init(_ layout: ChartLayout) {
    self.layout = layout
  }

  func marks() -> [Mark] {
    let numbered = Array(chart.series.enumerated())
    var marks: [Mark] = []
    for (number, series) in numbered where series.style == .bars { marks += bars(series, number) }
    for (number, series) in numbered where series.style != .bars { marks += points(series, number) }
    var placing = PointLabels(plot: plot, dots: numbered.flatMap { places($1, $0).compactMap { $0 } })
    for (number, series) in numbered {
      for (point, place) in zip(series.points, places(series, number)) {
        guard let text = point.label, !text.isEmpty else { continue }
        if let place {
          let reach = series.style == .bars ? deviationReach(point, above: place) : 0
          placing.add(text, at: Position(place.x, place.y - reach))
        } else if let x = foot(point, series, number) {
          placing.add(text, at: Position(x, plot.bottom - 3), paint: Paint(.series(series.color ?? number)))
        }
      }
    }
    return marks + placing.labels.map(Mark.label)
  }

  /// Where each point lies; nil for gaps.
  private func places(_ series: Chart.Series, _ number: Int) -> [Position?] {
    series.points.map { point in
      guard let value = point.y, let y = layout.y(value), let x = foot(point, series, number) else {
        return nil
      }
      return Position(x, y)
    }
  }

  /// A point's place along x.
  private func foot(_ point: Chart.Point, _ series: Chart.Series, _ number: Int) -> Double? {
    guard let x = layout.x(point.x) else { return nil }
    return series.style == .bars ? x + barOffset(number) : x
  }

  private func points(_ series: Chart.Series, _ number: Int) -> [Mark] {
    let color = series.color ?? number
    let paint = ChartStyle.line(color: color, isFaint: series.isFaint)
    let places = places(series, number)
    var marks = errorBars(series, places, paint)
    let seen = places.compactMap { $0 }.filter(plot.contains)
    if series.style == .scatter {
      let dots = Paint(.series(color), opacity: series.isFaint ? 0.35 : 0.8)
      marks.append(.dots(thinned(dots: seen), .circle, radius: ChartStyle.dotRadius, dots))
      return marks
    }

    let runs = places.split(separator: nil).map { $0.compactMap { $0 } }
    let lines = runs.flatMap { plot.clip(thinned($0)) }
    marks.append(.strokes(lines, width: ChartStyle.lineWidth(isFaint: series.isFaint), paint))
    if series.style == .markedLine {
      let marker = chart.marker(of: number), radius = ChartStyle.markerRadius
      // A rim of the ground parts markers from the lines that pass behind them.
      marks.append(.dots(seen, marker, radius: radius + 1.1, Paint(.ground)))
      marks.append(.dots(seen, marker, radius: radius, paint))
    }
    return marks
  }

  /// A vertical line of the deviation in both directions, with short caps where its ends are in the plot.
  private func errorBars(_ series: Chart.Series, _ places: [Position?], _ paint: Paint) -> [Mark] {
    var lines: [[Position]] = []
    for (point, place) in zip(series.points, places) {
      guard let place, let value = point.y, let deviation = point.deviation, deviation.isFinite,
        deviation > 0,
        let low = layout.y.clamped(value - deviation), let high = layout.y.clamped(value + deviation)
      else { continue }
      lines += plot.clip([Position(place.x, low), Position(place.x, high)])
      for end in [value - deviation, value + deviation] {
        guard let y = layout.y(end), plot.contains(Position(place.x, y)) else { continue }
        lines += plot.clip([Position(place.x - 3, y), Position(place.x + 3, y)])
      }
    }
    return lines.isEmpty ? [] : [.strokes(lines, width: 1.1, paint)]
  }
}

// MARK: Bars

extension SeriesMarks {
  private var barSeries: [Int] { chart.series.indices.filter { chart.series[$0].style == .bars } }

  /// The share of a category's width that all of its bars take together.
  private static let groupShare = 0.72

  private var barStep: Double {
    let category = (plot.right - plot.left) / Double(max(1, chart.categories?.count ?? 1))
    return min(category * SeriesMarks.groupShare / Double(max(1, barSeries.count)), 40)
  }

  private func barOffset(_ number: Int) -> Double {
    guard let place = barSeries.firstIndex(of: number) else { return 0 }
    return (Double(place) - Double(barSeries.count - 1) / 2) * barStep
  }

  private func bars(_ series: Chart.Series, _ number: Int) -> [Mark] {
    let paint = Paint(.series(series.color ?? number), opacity: series.isFaint ? 0.4 : 1)
    let half = barStep * 0.46
    let places = places(series, number)
    let ground = layout.y.clamped(0) ?? plot.bottom
    var marks: [Mark] = places.compactMap { place in
      guard let place else { return nil }
      let end = min(max(place.y, plot.top), plot.bottom)
      let box = Rectangle(
        left: max(place.x - half, plot.left), top: min(end, ground), right: min(place.x + half, plot.right),
        bottom: max(end, ground))
      return box.left < box.right && box.top < box.bottom ? .fill(box.corners, paint) : nil
    }
    marks += errorBars(series, places, Paint(.text, opacity: 0.75))
    return marks
  }

  /// How far a point's error bar reaches above it, in points.
  private func deviationReach(_ point: Chart.Point, above place: Position) -> Double {
    guard let value = point.y, let deviation = point.deviation, deviation > 0,
      let end = layout.y.clamped(value + deviation)
    else { return 0 }
    return max(0, place.y - end)
  }
}

// MARK: Labels

/// Texts beside points: above where that is free, else below, right or left; above where nothing is.
private struct PointLabels {
  let plot: Rectangle
  let dots: [Position]
  private(set) var labels: [Label] = []
  private var taken: [Rectangle] = []

  init(plot: Rectangle, dots: [Position]) {
    self.plot = plot
    self.dots = dots
  }

  mutating func add(_ text: String, at place: Position, paint: Paint = Paint(.text)) {
    guard plot.grown(by: 1).contains(place) else { return }
    let size = ChartStyle.pointLabelSize, away = ChartStyle.markerRadius + 3
    let width = StrokeFont.width(of: text, size: size), capitals = 0.72 * size
    let baselines = [
      Position(place.x - width / 2, place.y - away),
      Position(place.x - width / 2, place.y + away + capitals),
      Position(place.x + away, place.y + capitals / 2),
      Position(place.x - away - width, place.y + capitals / 2),
    ]
    func box(_ baseline: Position) -> Rectangle {
      Rectangle(
        left: baseline.x, top: baseline.y - capitals, right: baseline.x + width, bottom: baseline.y + 1)
    }
    let room = Rectangle(left: plot.left, top: plot.top - 6, right: plot.right + 8, bottom: plot.bottom)
    let free = baselines.first { baseline in
      let box = box(baseline)
      let clear = box.grown(by: 1.5)
      return room.encloses(box) && !taken.contains(where: clear.overlaps)
        && !dots.contains(where: clear.contains)
    }
    let baseline = free ?? baselines[0]
    taken.append(box(baseline))
    labels.append(Label(text: text, position: baseline, size: size, paint: paint))
  }
}
