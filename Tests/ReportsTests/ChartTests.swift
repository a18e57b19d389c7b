import Testing
@testable import Reports

@Suite struct ChartTests {
  private func chart(_ points: [Chart.Point], style: Chart.Style = .line, y: Chart.Axis = .init("y")) -> Chart
  {
    Chart(title: "t", x: .init("x"), y: y, series: [.init("s", style: style, points: points)])
  }

  /// `Drawing` itself traps on a place that is not finite, so laying out is the test; then every place must lie within
  /// the drawing, give or take a line's width.
  private func expectInside(_ chart: Chart) {
    let drawing = chart.drawing()
    let page = Rectangle(left: -2, top: -2, right: chart.width + 2, bottom: chart.height + 2)
    for mark in drawing.marks {
      switch mark {
      case .strokes(let lines, _, _): #expect(lines.joined().allSatisfy(page.contains))
      case .fill(let corners, _): #expect(corners.allSatisfy(page.contains))
      case .dots(let centers, _, _, _): #expect(centers.allSatisfy(page.contains))
      case .label(let label): #expect(page.contains(label.position), "\(label.text)")
      }
    }
    let text = drawing.svg()
    #expect(!text.contains("nan"))
    #expect(!text.contains("inf"))
  }

  @Test(arguments: [Chart.Style.line, .markedLine, .scatter], [Chart.Axis.Scale.linear, .logarithmic])
  func extremeDataAreLaidOut(style: Chart.Style, scale: Chart.Axis.Scale) {
    let greatest = Double.greatestFiniteMagnitude, least = Double.leastNonzeroMagnitude
    let values: [[Double?]] = [
      [], [nil], [.nan, .infinity, -.infinity], [3], [3, 3, 3], [0, 0], [1e300, 1e-300, -1e300],
      [greatest, -greatest], [least, 2 * least], [1, 1.0000000000000002], [1e15, 1e15 + 1],
      [-1, -2, nil, -3],
      [1e-12, 2e-12], [0, 1e12],
    ]
    for values in values {
      let points = values.enumerated().map {
        Chart.Point(Double($0), $1, deviation: $1, label: "label \($0)")
      }
      expectInside(chart(points, style: style, y: .init("y", scale: scale)))
      let swapped = values.map { Chart.Point($0 ?? .nan, 1, deviation: .infinity) }
      expectInside(
        Chart(x: .init("x", scale: scale), y: .init("y"), series: [.init("s", style: style, points: swapped)])
      )
    }
  }

  @Test func aChartOfNothingHasItsFrame() {
    let empty = Chart(title: "nothing yet", x: .init("step"), y: .init("loss"), series: [])
    expectInside(empty)
    #expect(texts(empty).contains("nothing yet"))
    expectInside(Chart(x: .init("", scale: .categories([])), y: .init(""), series: []))
  }

  @Test func extremeBarsAreLaidOut() {
    for values: [Double?] in [[], [nil, .nan], [0, 0], [-1, 2], [1e300, -1e300], [.infinity, 1]] {
      let names = Chart.Axis.Scale.categories(["a", "b"])
      expectInside(
        Chart(
          x: .init("x", scale: names), y: .init("y"),
          series: [.init("s", style: .bars, values: values, deviations: values)]))
    }
  }

  @Test func aGapPartsTheLine() {
    let gap = chart([
      .init(0, 1), .init(1, 2), .init(2, nil), .init(3, 2), .init(4, .nan), .init(5, 1), .init(6, 2),
    ])
    let lines = lines(gap, .series(0))
    #expect(lines.map(\.count) == [2, 1, 2])
  }

  @Test func aValueBetweenGapsIsADot() {
    let marks = chart([.init(0, nil), .init(1, 5), .init(2, nil), .init(3, 4), .init(4, 4)]).drawing().marks
    let dots = marks.flatMap { if case .dots(let centers, _, _, _) = $0 { centers } else { [] } }
    #expect(dots.count == 1)
  }

  @Test func wholeNumbersHaveNoTicksBetween() {
    let epochs = chart([.init(1, 0.25), .init(2, 0.75)], y: .init("y", range: 10...20))
    #expect(texts(epochs).filter { $0.hasPrefix("1") || $0.hasPrefix("2") }.contains("1"))
    #expect(!texts(epochs).contains("1.5"))
  }

  @Test func errorBarsOfOneCategoryDoNotLieOnEachOther() {
    let axis = Chart.Axis("x", scale: .categories(["a", "b"]))
    let series = (0..<3).map { Chart.Series("\($0)", values: [1, 2], deviations: [1, 1]) }
    let chart = Chart(x: axis, y: .init("y"), series: series)
    let all: [[Position]] = (0..<3).flatMap { lines(chart, .series($0)) }
    let vertical = all.filter { line in line.count == 2 && line[0].x == line[1].x && line[0].y != line[1].y }
    #expect(vertical.count == 6)
    #expect(Set(vertical.map { $0[0].x }).count == 6)
  }

  @Test func dataOutsideAFixedRangeAreCutOff() {
    let clipped = chart([.init(0, 0), .init(10, 100)], y: .init("y", range: 0...50))
    let line = lines(clipped, .series(0))
    #expect(line.count == 1)
    let layout = ChartLayout(clipped)
    #expect(line.first?.last?.y == layout.plot.top)
    // Half of the values are shown over half of x.
    #expect(abs((line.first?.last?.x ?? 0) - (layout.plot.left + layout.plot.right) / 2) < 1e-9)
  }

  @Test func aCurveOfManyPointsIsThinned() {
    let points = (0..<100_000).map { Chart.Point(Double($0), Double(($0 &* 7919) % 1009)) }
    let line = lines(chart(points), .series(0)).joined()
    #expect(line.count <= 4 * 2 * 480)
    #expect(line.count > 480)
  }

  @Test func barsStandOnZeroBesideEachOther() {
    let chart = Chart(
      x: .init("", scale: .categories(["a", "b"])), y: .init("%"),
      series: [.init("one", style: .bars, values: [10, -5]), .init("two", style: .bars, values: [20, 5])])
    let layout = ChartLayout(chart)
    let first = boxes(chart, .series(0)).dropLast(), second = boxes(chart, .series(1)).dropLast()
    #expect(first.count == 2)
    #expect(second.count == 2)
    let zero = layout.y(0) ?? .nan
    for (one, two) in zip(first, second) {
      #expect(one.right < two.left)
      #expect([one.top, one.bottom].contains(zero))
      #expect([two.top, two.bottom].contains(zero))
    }
    // Heights are proportional to values.
    let heights = (first + second).map { $0.bottom - $0.top }
    #expect(abs(heights[0] / heights[1] - 2) < 1e-9)
    #expect(abs(heights[2] / heights[3] - 4) < 1e-9)
  }

  @Test func errorBarsReachTheDeviation() {
    let chart = chart([.init(0, 5, deviation: 2), .init(1, 6)], style: .markedLine)
    let layout = ChartLayout(chart)
    let low = layout.y(3) ?? .nan, high = layout.y(7) ?? .nan
    let bars = lines(chart, .series(0)).filter { Set($0.map(\.x)).count == 1 && $0.count == 2 }
    #expect(bars.count == 1)
    #expect(bars.first?.map(\.y).sorted() == [high, low])
  }

  @Test func aRunThatFailedStandsOnTheAxis() {
    let chart = Chart(
      x: .init("momentum", scale: .categories(["0", "0.9"])), y: .init("%"),
      series: [
        .init(
          "queue", style: .markedLine, points: [.init(0, nil, label: "fail"), .init(1, 50, label: "50.0")])
      ])
    let layout = ChartLayout(chart)
    let fail = labels(chart).first { $0.text == "fail" }
    #expect(fail != nil)
    #expect(abs((fail?.position.y ?? 0) - layout.plot.bottom) < 10)
    #expect((fail?.position.x ?? .infinity) < (layout.plot.left + layout.plot.right) / 2)
    #expect(labels(chart).contains { $0.text == "50.0" })
  }

  @Test func labelsDoNotCoverEachOther() {
    let points = (0..<6).map { Chart.Point(Double($0), Double($0 % 2) * 0.1, label: "label") }
    let near = points.map { Chart.Point($0.x, ($0.y ?? 0) + 0.01, label: "other") }
    let chart = Chart(
      x: .init("x"), y: .init("y"),
      series: [.init("a", style: .markedLine, points: points), .init("b", style: .markedLine, points: near)])
    let boxes = labels(chart).filter { $0.text == "label" || $0.text == "other" }.map { label in
      Rectangle(
        left: label.position.x, top: label.position.y - 0.72 * label.size,
        right: label.position.x + FontMetrics.width(of: label.text, size: label.size),
        bottom: label.position.y
      )
    }
    #expect(boxes.count == 12)
    for (index, box) in boxes.enumerated() { #expect(!boxes[(index + 1)...].contains(where: box.overlaps)) }
  }

  @Test func theLegendNamesWhatThereIsToTellApart() {
    var chart = chart([.init(0, 1), .init(1, 2)])
    #expect(!texts(chart).contains("s"))
    chart.bands = [.init("expected", 1...1.5)]
    #expect(texts(chart).contains("s"))
    #expect(texts(chart).contains("expected"))
  }

  @Test func aLegendWithoutRoomCountsWhatIsMissing() throws {
    let series = (0..<200).map { Chart.Series("series number \($0)", points: [.init(0, Double($0))]) }
    let chart = Chart(x: .init("x"), y: .init("y"), series: series)
    expectInside(chart)
    let named = texts(chart).filter { $0.hasPrefix("series number") }.count
    let more = texts(chart).first { $0.hasSuffix("more") }
    #expect(named > 0)
    #expect(more == "… \(200 - named) more")
  }

  @Test func longTextsAreCutToTheChart() {
    let long = String(repeating: "very long ", count: 100)
    let chart = Chart(
      title: long, x: .init(long, scale: .categories([long, long])), y: .init(long),
      series: [.init(long, values: [1, 2]), .init(long, values: [2, 1])], width: 120, height: 90)
    expectInside(chart)
    for label in labels(chart) where label.angle == 0 {
      #expect(FontMetrics.width(of: label.text, size: label.size) <= 121)
    }
  }

  // MARK: Reading a drawing

  private func labels(_ chart: Chart) -> [Label] {
    chart.drawing().marks.compactMap { if case .label(let label) = $0 { label } else { nil } }
  }

  private func texts(_ chart: Chart) -> [String] { labels(chart).map(\.text) }

  /// The polylines of one ink in the plot (a single series has no legend).
  private func lines(_ chart: Chart, _ ink: Ink) -> [[Position]] {
    chart.drawing().marks.flatMap { mark -> [[Position]] in
      if case .strokes(let lines, _, let paint) = mark, paint.ink == ink { lines } else { [] }
    }
  }

  /// The filled boxes of one ink: the plot's, then the legend's.
  private func boxes(_ chart: Chart, _ ink: Ink) -> [Rectangle] {
    chart.drawing().marks.compactMap { mark in
      guard case .fill(let corners, let paint) = mark, paint.ink == ink else { return nil }
      return Rectangle(
        left: corners[0].x, top: corners[0].y, right: corners[2].x, bottom: corners[2].y)
    }
  }
}
