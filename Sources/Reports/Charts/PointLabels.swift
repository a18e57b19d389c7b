/// Finds free places for texts beside points.
struct PointLabels {
  /// A text and the point it belongs to, in points of the drawing.
  struct Wish {
    let text: String
    let x: Double
    /// Nil: a gap, whose text stands on the x axis.
    let y: Double?
    /// The upper and the lower end of the point with its error bar.
    let high: Double
    let low: Double
    /// Only above is outside of a bar.
    let isBar: Bool
    let paint: Paint
  }

  private let plot: Rectangle
  private var dots: [Position] = []
  private var lines: [(Position, Position)] = []
  private let size = ChartStyle.pointLabelSize
  private let away = ChartStyle.markerRadius + 3
  private var capitals: Double { 0.72 * size }

  init(plot: Rectangle) {
    self.plot = plot
  }

  mutating func avoid(dot: Position) {
    dots.append(dot)
  }

  mutating func avoid(_ line: [Position]) {
    lines += zip(line, line.dropFirst())
  }

  /// Each text where it disturbs least, the uppermost first: of two points that are close, the upper one's text is above
  /// and the lower one's below.
  func place(_ wishes: [Wish]) -> [Label] {
    let shown = wishes.filter { plot.grown(by: 1).contains(Position($0.x, $0.y ?? plot.bottom)) }
    var labels: [Label] = []
    var taken: [Rectangle] = []
    for wish in shown.sorted(by: { ($0.y ?? plot.bottom) < ($1.y ?? plot.bottom) }) {
      let width = FontMetrics.width(of: wish.text, size: size)
      let costs = baselines(wish, width: width).enumerated().map { rank, baseline in
        (baseline: baseline, cost: rank + cost(box(baseline, width), taken: taken))
      }
      guard let best = costs.min(by: { $0.cost < $1.cost }) else { continue }
      taken.append(box(best.baseline, width))
      labels.append(Label(text: wish.text, position: best.baseline, size: size, paint: wish.paint))
    }
    return labels
  }

  /// Where a text could start, the best first.
  private func baselines(_ wish: Wish, width: Double) -> [Position] {
    let center = wish.x - width / 2, left = wish.x - away - width, right = wish.x + away
    // Along a slope, the end of a line of text is nearer to its point than its middle.
    let leftward = wish.x + 3 - width, rightward = wish.x - 3
    let above = wish.high - away, below = wish.low + away + capitals
    guard let y = wish.y else {
      let foot = plot.bottom - 6
      return [center, left, right].map { Position($0, foot) }
        + (1..<4).map { Position(center, foot - Double($0) * (capitals + 5)) }
    }
    if wish.isBar { return [Position(center, min(above, plot.bottom - away))] }
    let beside = y + capitals / 2
    return [center, leftward, rightward].map { Position($0, above) }
      + [center, rightward, leftward].map { Position($0, below) }
      + [right, left].map { Position($0, beside) }
  }

  private func box(_ baseline: Position, _ width: Double) -> Rectangle {
    Rectangle(left: baseline.x, top: baseline.y - capitals, right: baseline.x + width, bottom: baseline.y + 1)
  }

  /// How much a text in `box` would disturb: most on another text or outside, less on a dot, least on a line.
  private func cost(_ box: Rectangle, taken: [Rectangle]) -> Int {
    let clear = box.grown(by: 1.5)
    let room = Rectangle(
      left: plot.left - 4, top: plot.top - 6, right: plot.right + 12, bottom: plot.bottom - 2)
    var cost = room.encloses(box) ? 0 : 1000
    cost += 1000 * taken.count(where: clear.overlaps)
    cost += 30 * dots.count(where: box.grown(by: 3).contains)
    cost += 10 * lines.count { clear.clip($0, $1) != nil }
    return cost
  }
}
