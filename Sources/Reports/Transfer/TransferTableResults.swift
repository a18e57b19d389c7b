import Files

/// The numbers of a transfer table.
struct TransferTableResults {
  /// A metric of a task.
  struct Column: Equatable {
    let task: TransferTableTask
    let metric: String
  }

  /// The difference of two means.
  struct Difference: Equatable {
    enum Sense {
      case gain, loss, even
      /// Of single runs, whose deviation is not known.
      case unknown
    }
    let points: Double
    let sense: Sense

    /// Even where it is below twice its standard error √(s²/n + s₀²/n₀), or is shown as 0.0.
    init(_ value: Spread, to baseline: Spread) {
      points = value.mean - baseline.mean
      guard let s = value.deviation, let s0 = baseline.deviation else {
        sense = .unknown
        return
      }
      let error = (s * s / Double(value.count) + s0 * s0 / Double(baseline.count)).squareRoot()
      sense = abs(points) < max(0.05, 2 * error) ? .even : points > 0 ? .gain : .loss
    }

    /// `+1.2`, `−0.4`.
    var text: String {
      let size = fixed(abs(points), 1)
      return size == "0.0" ? "±0.0" : (points > 0 ? "+" : "−") + size
    }
  }

  struct Field: Equatable {
    enum State: Equatable {
      case measured(Spread)
      /// No cell has given a number, and some will.
      case missing
      /// No cell can.
      case failed
    }

    let state: State
    /// To the baseline; nil in its own row and where one of both is missing.
    var difference: Difference?
    let published: Double?

    var spread: Spread? { if case .measured(let spread) = state { spread } else { nil } }

    /// `81.5 ± 0.2`, `—` or `failed`.
    var text: String {
      switch state {
      case .measured(let spread): spread.text(1)
      case .missing: "—"
      case .failed: "failed"
      }
    }
  }

  struct Row {
    let start: TransferTableStart
    var fields: [Field]
  }

  let spec: TransferTableSpec
  let jobs: TransferTableJobs
  /// The command line.
  let command: String
  let columns: [Column]
  let rows: [Row]

  init(_ spec: TransferTableSpec, jobs: TransferTableJobs, command: String) {
    (self.spec, self.jobs, self.command) = (spec, jobs, command)
    let columns = spec.tasks.flatMap { task in task.metrics.map { Column(task: task, metric: $0) } }
    let cells = jobs.cells.map {
      (job: $0, metrics: $0.state == .finished ? $0.metrics : TransferTableMetrics())
    }
    let baseline = spec.baseline
    let bare = spec.starts.map { start in
      let own = cells.filter { $0.job.cell?.start == start }
      return Row(
        start: start,
        fields: columns.map { column in
          let mine = own.filter { $0.job.cell?.task == column.task }
          let values = mine.compactMap { $0.metrics[column.metric] ?? nil }
          return Field(
            state: Spread(values).map { .measured($0) }
              ?? (mine.allSatisfy(\.job.hasFailed) ? .failed : .missing),
            published: spec.published.first {
              $0.start == start.name && $0.task == column.task.name && $0.metric == column.metric
            }?.value)
        })
    }
    let reference = bare.first { $0.start == baseline }?.fields ?? []
    self.columns = columns
    rows = bare.map { row in
      guard row.start != baseline else { return row }
      var row = row
      for (index, base) in reference.enumerated() {
        guard let value = row.fields[index].spread, let base = base.spread else { continue }
        row.fields[index].difference = Difference(value, to: base)
      }
      return row
    }
  }

  /// The commands that failed, and why.
  var failures: [(label: String, reason: String)] {
    jobs.all.compactMap { job in
      if case .failed(let reason) = job.state { (job.label, reason) } else { nil }
    }
  }

  var hasPublished: Bool { rows.contains { $0.fields.contains { $0.published != nil } } }

  /// The machines of the commands that have begun.
  var hosts: [String] {
    jobs.all.compactMap(\.record?.host).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// Sentences below the table.
  /// - Parameter place: Where differences stand.
  func legend(differences place: String) -> String {
    let seeds = spec.seeds.map { "\($0)" }.joined(separator: ", ")
    let fields = rows.flatMap(\.fields)
    let several = fields.contains { $0.spread?.deviation != nil }
    let singles = fields.contains { $0.difference?.sense == .unknown }
    let conditions =
      (several ? ["where it is below twice its standard error"] : [])
      + (singles ? ["where it is of single runs, whose deviation is not known"] : [])
    return "\(spec.seeds.count == 1 ? "Seed" : "Seeds") \(seeds). Numbers are percent"
      + (several ? ", mean ± standard deviation of the sample" : "")
      + "; \(place) the difference to \(spec.baseline.name)"
      + (conditions.isEmpty ? "" : ", without colour \(conditions.joined(separator: ", or "))")
      + ". —: not measured."
  }
}
