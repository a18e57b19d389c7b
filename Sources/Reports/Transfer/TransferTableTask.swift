import Evaluation
import Files
import Training
import Yams

/// A column of a transfer table: a command of this program with its data and settings.
package struct TransferTableTask: Sendable, Equatable {
  package enum Command: String, CaseIterable, Sendable {
    case detect, segment, finetune, linear, knn

    /// Whether it trains in a run folder, which it goes on from, and takes any file of weights; the others take an
    /// encoder and print one JSON object.
    var makesRun: Bool { self == .detect || self == .segment }

    /// Whether its options are keys of a configuration, so that `--no-key` turns a flag off.
    var takesKeys: Bool { makesRun || self == .finetune }

    /// Whether it saves at a signal, and goes on where it was.
    var saves: Bool { makesRun || self == .finetune }

    var takesSeed: Bool { self != .knn }

    /// The names that `metrics` of a spec may have.
    var knownMetrics: [String] {
      switch self {
      case .detect:
        DetectionScores.names
          + DetectionScores.Kind.allCases.flatMap { kind in
            DetectionScores.names.map { "\(kind.rawValue)/\($0)" }
          }
      case .segment: SegmentationScores.names
      case .finetune, .linear, .knn: ["top-1", "top-5"]
      }
    }

    /// The same as the end of a sentence.
    fileprivate var metricsText: String {
      guard self == .detect else { return knownMetrics.joined(separator: ", ") }
      return DetectionScores.names.joined(separator: ", ")
        + ", and as segm/AP those of masks or keypoints alone"
    }

    /// Those of the papers' tables.
    var metrics: [String] {
      switch self {
      case .detect: ["AP50", "AP", "AP75"]
      case .segment: ["mIoU"]
      case .finetune, .linear, .knn: ["top-1"]
      }
    }
  }

  package let name: String
  package let command: Command
  var recipe: String?
  let train: String
  let test: String
  var settings: Settings
  /// Names of `log.jsonl` or of the JSON object: `AP`, `segm/AP`, `mIoU`, `top-1`.
  let metrics: [String]
  /// nil for those of the spec.
  let seeds: [UInt64]?

  init(_ given: Node.Mapping, _ source: String) throws {
    guard let name = try given.text("name", source), !name.isEmpty else {
      throw UsageError("\(source): `tasks`: every task needs a name.")
    }
    let source = "\(source): task \(name)"
    try given.checkKeys(
      ["name", "command", "recipe", "train", "test", "settings", "metrics", "seeds"], source: source,
      hint: "A task has name, command, recipe, train, test, settings, metrics and seeds.")
    self.name = name
    command = try Self.command(given.text("command", source), source)
    recipe = try given.text("recipe", source)
    guard command != .knn || recipe == nil else {
      throw UsageError("\(source): knn has no recipes. Leave `recipe` out.")
    }
    guard !command.makesRun || recipe != nil else {
      throw UsageError("\(source): `recipe` is missing: the name of a recipe of `moco \(command.rawValue)`.")
    }
    func data(_ key: String, _ meaning: String) throws -> String {
      guard let text = try given.text(key, source) else {
        throw UsageError("\(source): `\(key)` is missing: the images \(meaning).")
      }
      return text
    }
    train = try data("train", "to learn from")
    test = try data("test", "to be tested on")
    settings = try Settings(given.block("settings", source), source)
    seeds = try given.seeds(source)
    metrics = try Self.metrics(given["metrics"], of: command, source) ?? command.metrics
  }

  private static func command(_ text: String?, _ source: String) throws -> Command {
    let all = Command.allCases.map(\.rawValue)
    guard let text else {
      throw UsageError("\(source): `command` is missing: one of \(all.joined(separator: ", ")).")
    }
    guard let command = Command(rawValue: text) else {
      throw UsageError(
        "\(source): `command`: there is no `\(text)`.\(suggestion(for: text, among: all)) There are "
          + "\(all.joined(separator: ", ")).")
    }
    return command
  }

  private static func metrics(_ node: Node?, of command: Command, _ source: String) throws -> [String]? {
    guard let node else { return nil }
    let names = node.sequence?.compactMap { $0.scalar?.string } ?? []
    guard !names.isEmpty, names.count == node.sequence?.count, Set(names).count == names.count else {
      throw UsageError("\(source): `metrics`: expected a list of different names such as [AP50, AP, AP75].")
    }
    let known = command.knownMetrics
    if let name = names.first(where: { !known.contains($0) }) {
      throw UsageError(
        "\(source): `metrics`: there is no `\(name)` of \(command.rawValue).\(suggestion(for: name, among: known)) There are "
          + "\(command.metricsText).")
    }
    return names
  }
}

/// Settings of a command by name, in order; they become its options.
struct Settings: Sendable, Equatable {
  private(set) var all: [(key: String, value: String)] = []

  init() {}

  /// - Throws: ``UsageError`` for a value that no option can have.
  init(_ given: Node.Mapping, _ source: String) throws {
    for (key, value) in given {
      let name = key.string ?? "?"
      guard value.mapping == nil, value.sequence?.allSatisfy({ $0.scalar != nil }) ?? true else {
        throw UsageError("\(source): `\(name)`: expected a value, or a list of values.")
      }
      let text = value.sequence.map { $0.map(\.shown).joined(separator: ",") } ?? value.shown
      guard !text.isEmpty else { throw UsageError("\(source): `\(name)` has no value.") }
      set(name, text)
    }
  }

  mutating func set(_ key: String, _ value: String) {
    if let place = all.firstIndex(where: { $0.key == key }) {
      all[place].value = value
    } else {
      all.append((key, value))
    }
  }

  /// With those of `other` over them.
  func overridden(by other: Settings) -> Settings {
    var settings = self
    for (key, value) in other.all { settings.set(key, value) }
    return settings
  }

  subscript(key: String) -> String? { all.first { $0.key == key }?.value }

  /// - Parameter negates: Whether `--no-key` turns a flag off; else it is left out.
  func arguments(negates: Bool) -> [String] {
    all.flatMap { key, value in
      switch value {
      case "true": ["--\(key)"]
      case "false": negates ? ["--no-\(key)"] : []
      default: ["--\(key)", value]
      }
    }
  }

  static func == (a: Settings, b: Settings) -> Bool { a.all.elementsEqual(b.all, by: ==) }
}
