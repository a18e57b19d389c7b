import Files

/// A task from a start with a seed.
package struct TransferCell: Sendable, Equatable {
  package let start: TransferStart
  package let task: TransferTask
  package let seed: UInt64

  /// For people: `queue, cells, seed 1`.
  package var label: String { "\(start.name), \(task.name)\(hasSeed ? ", seed \(seed)" : "")" }

  /// For a folder: different for each cell.
  var name: String { folderName([start.name, task.name] + (hasSeed ? ["seed=\(seed)"] : [])) }

  private var hasSeed: Bool { task.command.takesSeed || start.isRandom }

  /// The command without the program. Texts in braces are places (``TransferSpec/resolved(_:)``), `{out}` is the folder of
  /// the table.
  func arguments(weights: String?) -> [String] {
    let command = task.command
    let run = "{out}/\(TransferJob.cells)/\(name)/\(TransferJob.run)"
    return [command.rawValue] + (weights.map { [$0] } ?? ["--init", "random"])
      + ["--train", task.train, "--test", task.test]
      + (task.recipe.map { ["--recipe", $0] } ?? [])
      + task.settings.arguments(negates: command.makesRun)
      + (command.takesSeed ? ["--seed", "\(seed)"] : [])
      + (command.makesRun ? ["--out", run] : ["--json"])
  }
}
