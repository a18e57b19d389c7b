import Files

extension TransferTableResults {
  /// The page: one HTML file without scripts or links.
  var page: Page {
    let items: [HTML] = failures.map { "<li><b>\($0.label)</b>: \($0.reason)</li>" }
    let failed: [HTML] =
      items.isEmpty ? [] : [.section("Failed", "failed", ["<ul class=\"warnings\">\n\(items)\n</ul>"])]
    return Page(
      title: "\(spec.title) – Momentum Contrast",
      body: [
        header,
        .section(
          "Table", "table", [table, .paragraph(legend(differences: "below them"))] + publishedNoteHTML),
      ] + failed
        + charts + [.section("Commands", "commands", commands)])
  }

  private var header: HTML {
    let cells = jobs.cells
    let (done, bad) = (cells.count { $0.state == .finished }, cells.count { $0.state != .pending })
    func tile(_ name: String, _ value: Int, _ note: String) -> HTML {
      "<div><dt>\(name)</dt><dd>\(value)<small>\(note)</small></dd></div>"
    }
    let seconds = jobs.all.compactMap(\.record?.seconds).reduce(0, +)
    let lead: HTML = spec.note.isEmpty ? "" : "<p>\(spec.note)</p>"
    return """
      <header>
      <p class="eyebrow">Momentum Contrast · transfer</p>
      <h1>\(spec.title)</h1>
      \(lead)
      <dl class="tiles">
      \(tile("cells measured", done, "of \(cells.count)"))
      \(tile("failed", bad - done, failures.isEmpty ? "" : "listed below the table"))
      \(tile("starts", rows.count, "compared with \(spec.baseline.name)"))
      \(tile("tasks", spec.tasks.count, "\(duration(seconds)) in all"))
      </dl>
      </header>
      """
  }

  // MARK: - The table

  private var table: HTML {
    let tasks: [HTML] = spec.tasks.map {
      "<th colspan=\"\($0.metrics.count)\" scope=\"colgroup\">\($0.name)<small>\($0.command.rawValue)</small></th>"
    }
    let metrics: [HTML] = columns.map { "<th scope=\"col\">\($0.metric)</th>" }
    let rows: [HTML] = rows.map { row in
      "<tr><th scope=\"row\">\(row.start.name)</th>\(row.fields.map(field))</tr>"
    }
    return """
      <div class="scroll"><table class="numbers transfer">
      <thead><tr><th rowspan="2" scope="col">start</th>\(tasks)</tr>
      <tr>\(metrics)</tr></thead>
      <tbody>
      \(rows)
      </tbody></table></div>
      """
  }

  private func field(_ field: Field) -> HTML {
    let difference: HTML =
      field.difference.map { "<span class=\"\($0.mark)\">\($0.arrow)\($0.text)</span>" } ?? ""
    let published: HTML = field.published.map { "<small>published \(fixed($0, 1))</small>" } ?? ""
    let kind: HTML = field.state == .failed ? " class=\"bad\"" : ""
    return "<td\(kind)>\(field.text)\(difference)\(published)</td>"
  }

  private var publishedNoteHTML: [HTML] {
    hasPublished && !spec.publishedNote.isEmpty ? [.paragraph("Published: \(spec.publishedNote)")] : []
  }

  // MARK: - Charts

  /// A chart of bars for each task that has numbers: its first metric.
  private var charts: [HTML] {
    let drawn: [HTML] = spec.tasks.compactMap(chart).map {
      "<figure class=\"chart\">\(HTML(markup: $0.drawing().svg(.page)))</figure>"
    }
    guard !drawn.isEmpty else { return [] }
    return [.section("Bars", "bars", ["<div class=\"charts two bars\">\n\(drawn)\n</div>"])]
  }

  private func chart(_ task: TransferTableTask) -> Chart? {
    guard let column = columns.firstIndex(where: { $0.task == task }) else { return nil }
    let points = rows.enumerated().map { place, row in
      let field = row.fields[column]
      return Chart.Point(
        Double(place), field.spread?.mean, deviation: field.spread?.deviation,
        label: field.state == .failed ? "failed" : field.spread.map { fixed($0.mean, 1) })
    }
    guard points.contains(where: { $0.y != nil }) else { return nil }
    return Chart(
      title: task.name, x: .init("", scale: .categories(rows.map(\.start.name))),
      y: .init("\(columns[column].metric), %"), series: [.init("", style: .bars, points: points)],
      width: max(360, Double(rows.count) * 90), height: 280)
  }

  // MARK: - Commands

  private var commands: [HTML] {
    let rows: [HTML] = jobs.all.map { job in
      let time = job.record.map { duration($0.seconds) } ?? ""
      let command = job.record?.command ?? ""
      return
        "<li><b>\(job.label)</b> <span class=\"when\">\(job.stateWord) \(time)</span><code>\(command)</code></li>"
    }
    return [
      "<p>The table was made by</p>\n<pre>\(command)</pre>",
      "<details><summary>All \(jobs.all.count) commands</summary>\n<ul class=\"commands\">\n\(rows)\n</ul></details>",
    ] + hosts.map { "<p>On \($0).</p>" }
  }
}

extension TransferTableJob {
  fileprivate var stateWord: String {
    switch state {
    case .pending: isInUse ? "running" : "to do"
    case .finished: "done in"
    case .failed: "failed after"
    }
  }
}

extension TransferTableResults.Difference {
  /// The class of its colour.
  fileprivate var mark: HTML {
    switch sense {
    case .gain: "gain"
    case .loss: "loss"
    case .even, .unknown: "even"
    }
  }

  /// So that it can be read without colour.
  fileprivate var arrow: String {
    switch sense {
    case .gain: "▲ "
    case .loss: "▼ "
    case .even, .unknown: ""
    }
  }
}
