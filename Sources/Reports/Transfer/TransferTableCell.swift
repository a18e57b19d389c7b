import Files

/// A task from a start with a seed.
package struct TransferTableCell: Sendable, Equatable {
  package let start: TransferTableStart
  package let task: TransferTableTask
  package let seed: UInt64

  /// For people: `queue, cells, seed 1`.
  package var label: String { "\(start.name), \(task.name)\(hasSeed ? ", seed \(seed)" : "")" }

  /// For a folder: different for each cell.
  var name: String { folderName([start.name, task.name] + (hasSeed ? ["seed=\(seed)"] : [])) }

  private var hasSeed: Bool { task.command.takesSeed || start.isRandom }

  /// The command without the program. Texts in braces are places (``TransferTableSpec/resolved(_:)``), `{out}` is the folder of
  /// the table.
  func arguments(weights: String?) -> [String] {
    let command = task.command
    let folder = "{out}/\(TransferTableJob.cells)/\(name)"
    let places: [String] =
      switch command {
      case .detect, .segment: ["--out", "\(folder)/\(TransferTableJob.run)"]
      case .finetune: ["--checkpoints", "\(folder)/checkpoints", "--json"]
      case .linear, .knn: ["--json"]
      }
    return [command.rawValue] + (weights.map { [$0] } ?? ["--init", "random"])
      + ["--train", task.train, "--test", task.test]
      + (task.recipe.map { ["--recipe", $0] } ?? [])
      + task.settings.arguments(negates: command.takesKeys)
      + (command.takesSeed ? ["--seed", "\(seed)"] : []) + places
  }
}
