import Files
import Foundation

/// What a command line says about a spec.
package struct TransferTableOptions: Sendable {
  /// `NAME=VALUE`.
  package struct Pair: Sendable, Equatable {
    package let name: String
    package let value: String

    package init?(_ text: String) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
      (name, value) = (parts[0], parts[1])
    }
  }

  /// `--data`: places of the spec.
  package var data: [Pair] = []
  /// `--start`: weights of a row; a name that the spec has not makes a row.
  package var starts: [Pair] = []
  /// `--set`: `TASK.KEY=VALUE`.
  package var settings: [Pair] = []
  /// `--skip`: rows and columns that are left out.
  package var skipped: [String] = []
  package var seeds: [UInt64]?

  package init() {}
}

/// Whether `given` means `name`: itself, or the form that folders have of it.
func names(_ given: String, _ name: String) -> Bool { given == name || given == folderName([name]) }

extension TransferTableSpec {
  /// The spec with a command line's options.
  func applying(_ options: TransferTableOptions) throws -> TransferTableSpec {
    var spec = self
    spec.seeds = options.seeds ?? seeds
    for start in options.starts { spec.setStart(start) }
    for name in options.skipped { try spec.skip(name) }
    for setting in options.settings { try spec.set(setting) }
    try spec.locate(options.data)
    return spec
  }

  private mutating func setStart(_ given: TransferTableOptions.Pair) {
    if let place = starts.firstIndex(where: { names(given.name, $0.name) }) {
      starts[place].weights = given.value == "random" ? .random : .file(given.value)
    } else {
      starts.append(TransferTableStart(given.name, file: given.value))
    }
  }

  private mutating func skip(_ name: String) throws {
    let before = starts.count + tasks.count
    starts.removeAll { names(name, $0.name) }
    tasks.removeAll { names(name, $0.name) }
    guard starts.count + tasks.count < before else {
      let all = starts.map(\.name) + tasks.map(\.name)
      throw UsageError(
        "--skip \(name): the spec has no such start or task.\(suggestion(for: name, among: all)) There are "
          + "\(all.joined(separator: ", ")).")
    }
    guard !starts.isEmpty, !tasks.isEmpty else {
      throw UsageError("--skip \(name): nothing is left to be compared.")
    }
  }

  /// `pretrain.epochs=10`, `detect.steps=300`, `BCCD.lr=0.02`.
  private mutating func set(_ given: TransferTableOptions.Pair) throws {
    let option = "--set \(given.name)=\(given.value)"
    guard let dot = given.name.lastIndex(of: "."), dot > given.name.startIndex,
      given.name.index(after: dot) < given.name.endIndex
    else {
      throw UsageError(
        "\(option): say whose setting it is: pretrain.\(given.name), or that of a start, a task or its command, as "
          + "\(tasks[0].command.rawValue).\(given.name).")
    }
    let (target, key) = (String(given.name[..<dot]), String(given.name[given.name.index(after: dot)...]))
    guard key != "seed" || target == "pretrain" else {
      throw UsageError("\(option): a table has several; give --seeds 1,2,3.")
    }
    var isFound = false
    if target == "pretrain", network != nil {
      isFound = true
      network?.set(key, given.value)
    }
    for index in starts.indices where target == "pretrain" || names(target, starts[index].name) {
      guard case .pretrained(var run) = starts[index].weights else { continue }
      isFound = true
      run.set(key, given.value)
      starts[index].weights = .pretrained(run)
    }
    for index in tasks.indices
    where target == tasks[index].command.rawValue || names(target, tasks[index].name) {
      isFound = true
      if key == "recipe", tasks[index].command != .knn {
        tasks[index].recipe = given.value
      } else {
        tasks[index].settings.set(key, given.value)
      }
    }
    guard !isFound else { return }
    let runs = starts.filter { if case .pretrained = $0.weights { true } else { false } }
    let known = (["pretrain"] + tasks.map(\.command.rawValue) + tasks.map(\.name) + runs.map(\.name))
      .reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    throw UsageError(
      "\(option): nothing here is called `\(target)`.\(suggestion(for: target, among: known)) There are "
        + "\(known.joined(separator: ", ")).")
  }

  // MARK: - Places

  private mutating func locate(_ given: [TransferTableOptions.Pair]) throws {
    for pair in given {
      guard places.contains(where: { $0.name == pair.name }) else {
        let known = places.map(\.name)
        throw UsageError(
          "--data \(pair.name)=\(pair.value): the spec has no such data.\(suggestion(for: pair.name, among: known)) "
            + (known.isEmpty ? "It names its data itself." : "It takes \(known.joined(separator: ", ")).")
        )
      }
      let isPath = TransferTableSpec.isPath(pair.value)
      guard !isPath || FileManager.default.fileExists(atPath: pair.value) else {
        throw UsageError(
          "--data \(pair.name)=\(pair.value): there is no such file or folder. Check the path.")
      }
      located[pair.name] = isPath ? absolute(pair.value).withoutSlash : pair.value
    }
    let missing = places.filter { uses($0.name) && located[$0.name] == nil }
    guard missing.isEmpty else {
      let lines = missing.map { "--data \($0.name)=PATH (\($0.meaning))" }
      throw UsageError(
        "\(source) needs data that the command line does not name: \(lines.joined(separator: "; ")). Give them, or leave "
          + "their tasks out with --skip.")
    }
    let unnamed = starts.filter { $0.weights == .file(nil) }.map(\.name)
    guard unnamed.isEmpty else {
      let options = unnamed.map { "--start \(quotedForShell(["\($0)=FILE"]))" }
      throw UsageError(
        "\(source) needs weights that the command line does not name: \(options.joined(separator: ", ")). Give them, or "
          + "leave the rows out with --skip.")
    }
    for index in starts.indices {
      guard case .file(let path?) = starts[index].weights else { continue }
      guard FileManager.default.fileExists(atPath: path) else {
        throw UsageError(
          "start \(starts[index].name): \(path): there is no such file or folder. Check the path.")
      }
      starts[index].weights = .file(absolute(path).withoutSlash)
    }
  }

  /// Whether a text is a path; patterns and commands are not.
  private static func isPath(_ text: String) -> Bool {
    !text.hasPrefix("pipe:") && !text.contains { "*{".contains($0) }
  }

  private func uses(_ place: String) -> Bool {
    let texts =
      tasks.flatMap { [$0.train, $0.test] }
      + starts.compactMap {
        if case .pretrained(let run) = $0.weights { run.data } else { nil }
      }
    return texts.contains { $0.contains("{\(place)}") }
  }

  /// A text of the spec with the places that the command line names.
  func resolved(_ text: String) -> String {
    located.reduce(text) { $0.replacing("{\($1.key)}", with: $1.value) }
  }
}

extension TransferTableStart.Pretraining {
  mutating func set(_ key: String, _ value: String) {
    switch key {
    case "recipe": recipe = value
    case "data": data = value
    default: settings.set(key, value)
    }
  }
}
