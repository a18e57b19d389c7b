import Files
import Foundation
import Methods
import Training

/// The results of an ablation: a row for every cell.
struct AblationResults {
  struct Row {
    let cell: AblationCell
    let runs: [AblationRun]

    var finished: [AblationRun] { runs.filter { $0.state == .finished } }
    var failures: Int {
      runs.count { if case .diverged = $0.state { true } else { false } }
    }
    /// No run can end well any more.
    var hasFailed: Bool { failures == runs.count }

    func spread(_ value: (AblationRun) -> Double?) -> Spread? { Spread(finished.compactMap(value)) }
  }

  let spec: AblationSpec
  let rows: [Row]
  /// Of every row's configuration what has an effect.
  private let settings: [[String: String]]
  private let data: AblationData
  /// The command line.
  private let command: String

  /// - Parameters:
  ///   - spec: the comparison.
  ///   - runs: cell by cell, and seed by seed in each.
  ///   - data: The images.
  ///   - command: what made them.
  init(_ spec: AblationSpec, runs: [AblationRun], data: AblationData, command: String) {
    self.spec = spec
    self.data = data
    self.command = command
    rows = spec.cells.map { cell in Row(cell: cell, runs: runs.filter { $0.cell == cell }) }
    settings = rows.map(\.cell.config.effectiveValues)
  }

  // MARK: - The table

  /// Title, table and what all runs share, in Markdown.
  var markdown: String {
    let hasContrast = rows.contains { $0.spread(\.finalContrast) != nil }
    let columns =
      (hasGroups ? [""] : []) + keys + ["kNN top-1, %"] + (hasContrast ? [contrastName + ", %"] : [])
      + ["loss", "runs"]
    let lines = rows.map { row in
      (hasGroups ? [row.cell.group] : [])
        + keys.map { key in row.cell.values.first { $0.key == key }?.text ?? "" }
        + [shown(row, \.finalKNN, digits: 2)]
        + (hasContrast ? [shown(row, \.finalContrast, digits: 1)] : [])
        + [shown(row, \.finalLoss, digits: 3), ended(row)]
    }
    let ruler = columns.map { $0.isEmpty ? "---" : keys.contains($0) ? "---" : "---:" }
    let table = markdownTable([columns, ruler] + lines)
    let note = spec.note.isEmpty ? "" : spec.note.trimmingCharacters(in: .whitespacesAndNewlines) + "\n\n"
    return "# \(inOneMarkdownField(spec.title))\n\n\(note)\(table)\n\(legend)\n\nMade by\n\n    \(command)\n"
  }

  /// The name of the steps' accuracy, the same for all methods.
  var contrastName: String {
    rows.contains { $0.cell.config.kind.isPretext } ? "answered right" : "positive key found"
  }

  private var hasGroups: Bool { rows.contains { !$0.cell.group.isEmpty } }

  /// The keys of the grids, in the spec's order.
  var keys: [String] {
    rows.flatMap { $0.cell.values.map(\.key) }.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  private func shown(_ row: Row, _ value: (AblationRun) -> Double?, digits: Int) -> String {
    if row.hasFailed { return "fail" }
    guard let spread = row.spread(value) else { return "–" }
    return spread.text(digits)
  }

  /// How many runs the numbers are of, and how many gave none.
  private func ended(_ row: Row) -> String {
    "\(row.finished.count)" + (row.failures > 0 ? ", \(row.failures) failed" : "")
  }

  private var legend: String {
    let seeds = spec.seeds.map { "\($0)" }.joined(separator: ", ")
    let config = rows.first?.cell.config ?? RunConfig()
    var limit = ""
    if let most = config.knnLimit { limit = ", of at most \(most) images of each set" }
    var text =
      "\(spec.seeds.count == 1 ? "Seed" : "Seeds") \(seeds)"
      + (spec.seeds.count == 1 ? ". " : "; mean ± standard deviation of the sample. ")
      + "kNN: \(data.searched > 200 ? "200 neighbours" : "all \(data.searched) images vote"), temperature 0.1, after "
      + "the last step\(limit). "
    if rows.contains(where: { $0.failures > 0 }) {
      text += "Failed: the loss became infinite or not a number. "
    }
    text += "Loss and \(contrastName): means of the last epoch's log lines."
    let shared = AblationResults.shownInLegend.compactMap { key in
      Set(settings.map { $0[key] }).count == 1 ? settings[0][key].map { "\(key) \($0)" } : nil
    }
    return text + groupLines + "\n\nThe same for all: \(shared.joined(separator: ", "))."
  }

  /// Keys that rows differ in, or that only some have a use for; not those that are off in all of these.
  private var differing: [String] {
    RunConfig.keys.map(\.name).filter { key in
      let values = Set(settings.map { $0[key] })
      return values.count > 1 && values.subtracting([nil]) != ["false"]
    }
  }

  /// The differences between groups: `- end-to-end: mechanism end-to-end`.
  private var groupLines: String {
    guard hasGroups else { return "" }
    let differing = differing
    let lines = zip(rows, settings).map { row, values in
      let words = differing.filter { key in !row.cell.values.contains { $0.key == key } }
        .compactMap { key in values[key].map { "\(key) \($0)" } }
      return "- \(row.cell.group): \(words.joined(separator: ", "))"
    }
    return "\n\n" + lines.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }.joined(separator: "\n")
  }

  // MARK: - Every run

  /// A line for every run, for programs.
  var csv: String {
    let columns =
      keys + differing.filter { !keys.contains($0) }
    let header =
      ["group"] + columns
      + ["seed", "state", "knn_top1", "contrast_top1", "loss", "images_per_second"]
    let lines = zip(rows, settings).flatMap { row, values in
      row.runs.map { run -> [String] in
        let state =
          switch run.state {
          case .pending: "pending"
          case .finished: "finished"
          case .diverged(let step): "failed at step \(step)"
          }
        let numbers =
          run.state == .finished
          ? [run.finalKNN, run.finalContrast, run.finalLoss, run.imagesPerSecond] : [nil, nil, nil, nil]
        return [row.cell.group]
          + columns.map { key in row.cell.values.first { $0.key == key }?.text ?? values[key] ?? "" }
          + ["\(run.seed)", state] + numbers.map { $0.map { "\($0)" } ?? "" }
      }
    }
    return ([header] + lines).map { $0.map(quotedForCSV).joined(separator: ",") + "\n" }.joined()
  }

}

extension AblationResults {
  /// Keys that describe what was trained, in a line below the table.
  private static let shownInLegend: [String] =
    [
      \.method, \.mechanism, \.arch, \.mocoDim, \.mocoK, \.mocoM, \.mocoT, \.mlp, \.bnSplits, \.shuffleBN,
      \.symmetric,
    ].compactMap { MethodKeys.table.name(of: $0) } + [
      "views", "image-size", "image-sizes", "epochs", "minutes", "batch-size", "lr", "wd", "schedule",
      "steps",
    ]
}
