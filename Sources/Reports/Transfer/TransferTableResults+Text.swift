import Files
import Foundation

extension TransferTableResults {
  /// Title, table, failures, published numbers and commands, in Markdown.
  var markdown: String {
    let heads = ["start"] + columns.map { "\($0.task.name), \($0.metric)" }
    let ruler = ["---"] + columns.map { _ in "---:" }
    let lines = rows.map { row in
      [row.start.name]
        + row.fields.map { $0.text + ($0.difference.map { " (\($0.text))" } ?? "") }
    }
    var parts = ["# \(inOneMarkdownField(spec.title))"]
    if !spec.note.isEmpty { parts.append(spec.note.trimmingCharacters(in: .whitespacesAndNewlines)) }
    parts += [markdownTable([heads, ruler] + lines) + "\n\(legend(differences: "in brackets"))"]
    if hasPublished {
      let lines = rows.filter { $0.fields.contains { $0.published != nil } }.map { row in
        [row.start.name] + row.fields.map { $0.published.map { fixed($0, 1) } ?? "—" }
      }
      parts.append("As published. \(spec.publishedNote)\n\n" + markdownTable([heads, ruler] + lines).trimmed)
    }
    let failures = failures
    if !failures.isEmpty {
      parts.append(
        "Failed:\n\n"
          + failures.map { "- \($0.label): \(inOneMarkdownField($0.reason))" }.joined(separator: "\n"))
    }
    parts.append("Made by\n\n    \(command)")
    let commands = jobs.all.compactMap(\.record).filter(\.hasCommand)
    if !commands.isEmpty {
      parts.append("which ran\n\n" + commands.map { "    \($0.command)" }.joined(separator: "\n"))
    }
    parts += hosts.map { "On \($0)." }
    return parts.joined(separator: "\n\n") + "\n"
  }

  /// A line for every metric of every cell, for programs.
  var csv: String {
    let header = [
      "start", "task", "command", "seed", "state", "metric", "percent", "published", "seconds", "reason",
    ]
    let lines = jobs.cells.flatMap { job -> [[String]] in
      guard let cell = job.cell else { return [] }
      let metrics = job.metrics
      let (state, reason) =
        switch job.state {
        case .pending: ("pending", "")
        case .finished: ("finished", "")
        case .failed(let reason): ("failed", reason)
        }
      return cell.task.metrics.map { name in
        let value = state == "finished" ? metrics[name] ?? nil : nil
        let published = spec.published.first {
          $0.start == cell.start.name && $0.task == cell.task.name && $0.metric == name
        }
        return [
          cell.start.name, cell.task.name, cell.task.command.rawValue, "\(cell.seed)", state, name,
          value.map { "\($0)" } ?? "", published.map { "\($0.value)" } ?? "",
          job.record.map { fixed($0.seconds, 1) } ?? "", reason,
        ]
      }
    }
    return ([header] + lines).map { $0.map(quotedForCSV).joined(separator: ",") + "\n" }.joined()
  }
}

extension TransferTableRecord {
  var hasCommand: Bool { !command.isEmpty }
}

extension String {
  /// Without line breaks at its end.
  fileprivate var trimmed: String { trimmingCharacters(in: .newlines) }
}
