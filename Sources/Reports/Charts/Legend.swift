/// The names of what is shown, in rows above the plot: there they never cover data.
struct Legend {
  struct Entry {
    let text: String
    let swatch: Swatch
  }

  enum Swatch {
    case series(Chart.Style, color: Int, marker: Marker, isFaint: Bool)
    case band
    case level

    var width: Double {
      switch self {
      case .series(.bars, _, _, _): 10
      case .series(.scatter, _, _, _): 7
      default: 18
      }
    }
  }

  static let rowHeight = 16.0
  private static let size = 11.0
  private static let gap = 6.0
  private static let between = 18.0

  /// Rows of entries with their left edges.
  private(set) var rows: [[(entry: Entry, left: Double)]] = []

  /// Breaks `entries` into rows of at most `width`. Names are cut to two fifths of it, and what does not fit into
  /// `maximumRows` is counted in a last entry.
  init(_ entries: [Entry], width: Double, maximumRows: Int) {
    var left = 0.0
    for (index, entry) in entries.enumerated() {
      let text = shortened(entry.text, to: entries.count > 1 ? width * 0.4 : width - 30, size: Legend.size)
      let entryWidth = entry.swatch.width + Legend.gap + FontMetrics.width(of: text, size: Legend.size)
      if rows.isEmpty || left + entryWidth > width {
        if rows.count == maximumRows {
          // The last entry makes room for the count of all that are missing, itself among them.
          if let last = rows[rows.count - 1].popLast() {
            let more = Entry(text: "… \(entries.count - index + 1) more", swatch: last.entry.swatch)
            rows[rows.count - 1].append((more, last.left))
          }
          return
        }
        rows.append([])
        left = 0
      }
      rows[rows.count - 1].append((Entry(text: text, swatch: entry.swatch), left))
      left += entryWidth + Legend.between
    }
  }

  var height: Double { Double(rows.count) * Legend.rowHeight }

  /// The marks with the legend's upper left corner at `origin`.
  func marks(at origin: Position) -> [Mark] {
    var marks: [Mark] = []
    for (number, row) in rows.enumerated() {
      let middle = origin.y + (Double(number) + 0.5) * Legend.rowHeight
      for (entry, left) in row {
        let x = origin.x + left
        marks += Legend.marks(of: entry.swatch, from: Position(x, middle))
        let baseline = Position(x + entry.swatch.width + Legend.gap, middle + 0.36 * Legend.size)
        marks.append(.label(Label(text: entry.text, position: baseline, size: Legend.size)))
      }
    }
    return marks
  }

  private static func marks(of swatch: Swatch, from start: Position) -> [Mark] {
    let end = Position(start.x + swatch.width, start.y)
    let center = Position(start.x + swatch.width / 2, start.y)
    let box = Rectangle(left: start.x, top: start.y - 5, right: end.x, bottom: start.y + 5)
    switch swatch {
    case .band:
      return [.fill(box.corners, ChartStyle.band)]
    case .level:
      return [.strokes(dashed(from: start, to: end, dash: 4, gap: 3), width: 1, ChartStyle.level)]
    case .series(.bars, let color, _, let isFaint):
      return [.fill(box.corners, ChartStyle.bar(color: color, isFaint: isFaint))]
    case .series(.scatter, let color, _, _):
      return [.dots([center], .circle, radius: 3.5, Paint(.series(color)))]
    case .series(let style, let color, let marker, let isFaint):
      let line = Mark.strokes(
        [[start, end]], width: ChartStyle.lineWidth(isFaint: false),
        ChartStyle.line(color: color, isFaint: isFaint))
      return style == .line ? [line] : [line, .dots([center], marker, radius: 3, Paint(.series(color)))]
    }
  }
}

/// `text`, cut with "…" where it is wider than `width`.
func shortened(_ text: String, to width: Double, size: Double, isBold: Bool = false) -> String {
  if FontMetrics.width(of: text, size: size, isBold: isBold) <= width { return text }
  var kept = text
  while !kept.isEmpty, FontMetrics.width(of: kept + "…", size: size, isBold: isBold) > width {
    kept.removeLast()
  }
  return kept + "…"
}
