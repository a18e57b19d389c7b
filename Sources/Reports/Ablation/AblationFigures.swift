import Files

extension AblationResults {
  /// A picture and the name of its file.
  struct Figure {
    let name: String
    let chart: Chart

    /// A line needs two points; a bar or a mark only one.
    var hasSomethingToSee: Bool {
      chart.series.contains { $0.points.count { $0.y != nil } > ($0.style == .line ? 1 : 0) }
    }
  }

  /// kNN and contrast accuracy: at the end, over the varied key, as the papers show them, and over the epochs.
  var figures: [Figure] {
    [
      Figure(name: "knn", chart: ending("kNN top-1", \.finalKNN)),
      Figure(name: "contrast", chart: ending(contrastName, \.finalContrast)),
      Figure(name: "knn-course", chart: course("kNN top-1", \.kNN)),
      Figure(name: "contrast-course", chart: course(contrastName, \.contrast)),
    ].filter { $0.hasSomethingToSee }
  }

  // MARK: - At the end

  /// Over the first key of the grid with a line a group; where that is no number for every cell, bars.
  private func ending(_ measure: String, _ value: (AblationRun) -> Double?) -> Chart {
    rows.allSatisfy { $0.cell.place != nil } ? lines(measure, value) : bars(measure, value)
  }

  private func bars(_ measure: String, _ value: (AblationRun) -> Double?) -> Chart {
    let points = rows.enumerated().map { point(Double($0), $1, value) }
    return Chart(
      title: spec.title, x: .init(keys.joined(separator: ", "), scale: .categories(rows.map(\.cell.barName))),
      y: .init("\(measure), %"),
      series: [.init("", style: .bars, points: points)], width: max(360, Double(rows.count) * 90), height: 300
    )
  }

  private func lines(_ measure: String, _ value: (AblationRun) -> Double?) -> Chart {
    // One group may vary the batch size where another varies K: the size of the dictionary in both.
    let axes = rows.compactMap { $0.cell.values.first?.key }.reduce(into: [String]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    let ordered = Set(rows.compactMap(\.cell.place)).sorted()
    let words = ordered.map { place in rows.first { $0.cell.place == place }?.cell.values.first?.text ?? "" }
    let names = rows.map { $0.cell.lineName }.reduce(into: [String]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    let series = names.map { name in
      let points = rows.filter { $0.cell.lineName == name }.compactMap { row in
        row.cell.place.flatMap(ordered.firstIndex).map { point(Double($0), row, value) }
      }
      return Chart.Series(name, style: .markedLine, points: points.sorted { $0.x < $1.x })
    }
    return Chart(
      title: spec.title, x: .init(axes.joined(separator: " or "), scale: .categories(words)),
      y: .init("\(measure), %"), series: series, width: 420, height: 300)
  }

  private func point(_ x: Double, _ row: Row, _ value: (AblationRun) -> Double?) -> Chart.Point {
    let spread = row.spread(value)
    let label = row.hasFailed ? "fail" : spread.map { fixed($0.mean, 1) }
    return Chart.Point(x, spread?.mean, deviation: spread?.deviation, label: label)
  }

  // MARK: - The course

  /// A line a cell: the mean over its finished runs wherever all of them were measured.
  private func course(_ measure: String, _ values: (AblationRun) -> [(epoch: Double, value: Double)]) -> Chart
  {
    let series = rows.filter { !$0.finished.isEmpty }.map { row in
      let courses = row.finished.map(values).filter { !$0.isEmpty }
      let common = (courses.first ?? []).compactMap { first -> Chart.Point? in
        let there = courses.compactMap { $0.first { $0.epoch == first.epoch }?.value }
        guard there.count == courses.count else { return nil }
        return Chart.Point(first.epoch, there.reduce(0, +) / Double(there.count))
      }
      return Chart.Series(row.cell.label, points: common)
    }
    return Chart(
      title: spec.title, x: .init("epoch"), y: .init("\(measure), %"), series: series, width: 480, height: 300
    )
  }
}

extension AblationCell {
  /// The place on the axis; nil if the grid has no key or its first key is not a number.
  fileprivate var place: Double? { values.first.flatMap { Double($0.text) } }

  /// Below its bar, where the axis names the keys.
  fileprivate var barName: String {
    ((group.isEmpty ? [] : [group]) + values.map(\.text)).joined(separator: ", ")
  }

  /// The line of a figure that it lies on: everything but the first value.
  fileprivate var lineName: String {
    ((group.isEmpty ? [] : [group]) + values.dropFirst().map { "\($0.key) \($0.text)" }).joined(
      separator: ", ")
  }
}
