/// The points of a polyline that its picture needs: of a run of points within one column of `column` points' width only
/// the first, the lowest, the highest and the last, in their order. Peaks of one point stay.
func subset(_ line: [Position], column: Double = 0.5) -> [Position] {
  var kept: [Position] = []
  var start = 0
  while start < line.count {
    let place = (line[start].x / column).rounded(.down)
    var end = start + 1, lowest = start, highest = start
    while end < line.count, (line[end].x / column).rounded(.down) == place {
      if line[end].y < line[lowest].y { lowest = end }
      if line[end].y > line[highest].y { highest = end }
      end += 1
    }
    var last = -1
    for index in [start, min(lowest, highest), max(lowest, highest), end - 1] where index > last {
      kept.append(line[index])
      last = index
    }
    start = end
  }
  return kept
}

/// Dots without those that lie on an earlier one: one a square of `cell` points.
func subset(dots: [Position], cell: Double = 0.5) -> [Position] {
  struct Cell: Hashable {
    let column: Double
    let row: Double
  }
  var taken: Set<Cell> = []
  return dots.filter {
    taken.insert(Cell(column: ($0.x / cell).rounded(.down), row: ($0.y / cell).rounded(.down))).inserted
  }
}
