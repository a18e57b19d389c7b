import Files
import Training
import Yams

/// A row of a transfer table: the weights that its cells start from.
package struct TransferTableStart: Sendable, Equatable {
  /// A run of `moco pretrain` that is made first and shared by the row's cells.
  struct Pretraining: Sendable, Equatable {
    var data: String?
    var recipe: String?
    var settings = Settings()

    init(_ given: Node.Mapping, _ source: String) throws {
      try given.checkKeys(
        ["data", "recipe", "settings"], source: source, hint: "It has data, recipe and settings.")
      data = try given.text("data", source)
      recipe = try given.text("recipe", source)
      settings = try Settings(given.lines("settings", source), source)
    }

    /// With the values of `other` over these.
    func overridden(by other: Pretraining) -> Pretraining {
      var both = self
      both.data = other.data ?? data
      both.recipe = other.recipe ?? recipe
      both.settings = settings.overridden(by: other.settings)
      return both
    }
  }

  enum Weights: Sendable, Equatable {
    case random
    /// A run, a checkpoint or a file of weights; nil until the command line names it.
    case file(String?)
    case pretrained(Pretraining)
  }

  package let name: String
  var weights: Weights
  /// Options of `moco import` for a file of another program.
  var imports = Settings()

  /// Of the command line: a name and a file.
  init(_ name: String, file: String) { (self.name, weights) = (name, .file(file)) }

  /// - Parameter shared: What all pre-trainings of the spec have in common.
  init(_ given: Node.Mapping, shared: Pretraining?, _ source: String) throws {
    guard let name = try given.text("name", source), !name.isEmpty else {
      throw UsageError("\(source): `starts`: every start needs a name.")
    }
    let source = "\(source): start \(name)"
    try given.checkKeys(
      ["name", "weights", "import", "pretrain"], source: source,
      hint: "A start has name, weights, import and pretrain.")
    self.name = name
    imports = try Settings(given.block("import", source), source)
    let file = try given.text("weights", source)
    guard given["pretrain"] != nil else {
      weights = file == "random" ? .random : .file(file)
      return
    }
    guard file == nil else {
      throw UsageError("\(source): `weights` and `pretrain` contradict each other: give one of them.")
    }
    let own = try Pretraining(given.lines("pretrain", source), source)
    let all = shared?.overridden(by: own) ?? own
    for (key, value) in [("data", all.data), ("recipe", all.recipe)] where value == nil {
      throw UsageError(
        "\(source): `\(key)` of its pre-training is missing: in its own `pretrain`, or in that of the whole spec."
      )
    }
    weights = .pretrained(all)
  }

  var isRandom: Bool { weights == .random }
}
