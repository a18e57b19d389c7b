import Files
import Methods
import Yams

/// The comparison of an ablation: a grid over keys of a recipe, in groups, with several seeds. A YAML file:
///
/// ```yaml
/// title: Three mechanisms
/// recipe: cifar               # what everything starts from
/// settings: {epochs: 200}     # keys that all runs share
/// seeds: [1, 2, 3]
/// grid: {moco-t: [0.1, 0.2]}  # every combination is a cell
/// groups:                     # a line of the figure each; their keys go over those above
///   - name: queue
///     grid: {moco-k: [1024, 4096]}
///   - name: end-to-end
///     settings: {mechanism: end-to-end}
///     grid: {batch-size: [256, 512]}
/// ```
package struct AblationSpec: Sendable {
  package var title: String
  /// Where it was read: `spec momentum`, or a path.
  let source: String
  /// The expected result, and the paper of the experiment.
  package var note = ""
  /// Of every run of a cell; at least one.
  package var seeds: [UInt64] = [1]
  /// In the order in which they are run.
  package private(set) var cells: [AblationCell] = []

  /// The specs that come with the program, each a YAML file in `Specs/`.
  package enum Ready: String, CaseIterable, Sendable {
    case mechanisms, momentum, temperature
    case shuffleBN = "shuffle-bn"
    case v2Steps = "v2-steps"
    case methods, masked

    package var text: String {
      switch self {
      case .mechanisms: String(decoding: PackageResources.mechanisms_yaml, as: UTF8.self)
      case .momentum: String(decoding: PackageResources.momentum_yaml, as: UTF8.self)
      case .temperature: String(decoding: PackageResources.temperature_yaml, as: UTF8.self)
      case .shuffleBN: String(decoding: PackageResources.shuffle_bn_yaml, as: UTF8.self)
      case .v2Steps: String(decoding: PackageResources.v2_steps_yaml, as: UTF8.self)
      case .methods: String(decoding: PackageResources.methods_yaml, as: UTF8.self)
      case .masked: String(decoding: PackageResources.masked_yaml, as: UTF8.self)
      }
    }
  }

  /// A ready spec by its name, or a file of one's own.
  /// - Parameter options: what the command line sets for all runs; a key that a group or a grid sets is refused.
  package init(_ nameOrPath: String, options: (RunConfig) throws -> RunConfig = { $0 }) throws {
    let isReady = Ready(rawValue: nameOrPath) != nil
    try self.init(
      yaml: AblationSpec.text(nameOrPath), source: isReady ? "spec \(nameOrPath)" : nameOrPath,
      options: options)
  }

  /// The YAML of a ready spec, or of a file.
  package static func text(_ nameOrPath: String) throws -> String {
    try specText(nameOrPath, ready: Ready.allCases.map { ($0.rawValue, $0.text) })
  }

  /// How to compare something else than this spec does.
  var howToChange: String {
    guard let ready = Ready.allCases.first(where: { source == "spec \($0.rawValue)" }) else {
      return "change \(source)."
    }
    return "change a copy of the spec: `moco ablate \(ready.rawValue) --print-spec > mine.yaml`."
  }

  /// Reads YAML; unknown keys, here or of the recipe, are errors that name the nearest known one.
  package init(yaml: String, source: String, options: (RunConfig) throws -> RunConfig = { $0 }) throws {
    self.source = source
    let spec = try Node.Mapping(lines: yaml, source: source)
    try spec.checkKeys(
      ["title", "note", "recipe", "settings", "seeds", "grid", "groups"], source: source,
      hint: "A spec has title, note, recipe, settings, seeds, grid and groups.")
    title = try spec.text("title", source) ?? source
    note = try spec.text("note", source) ?? ""
    seeds = try spec.seeds(source) ?? seeds
    let recipe = try spec.text("recipe", source)
    let settings = try spec.block("settings", source)
    let grid = try Grid(spec["grid"], source)
    for group in try Group.all(spec["groups"], source) {
      guard let recipe = group.recipe ?? recipe else {
        throw UsageError("\(source): `recipe` is missing: the name of a recipe, or the path of a .yaml file.")
      }
      let base = try options(AblationSpec.recipe(recipe, source).taking(settings, source: source))
      for point in Grid(over: grid, group.grid).points {
        var config = try base.taking(group.settings, source: source)
        config = try config.taking(Node.Mapping(point.map { (Node($0.key), $0.value) }), source: source)
        try check(config, against: options(config))
        cells.append(
          AblationCell(
            group: group.name, values: point.map { .init(key: $0.key, text: $0.value.shown) }, config: config)
        )
      }
    }
    try validate()
  }

  private static func recipe(_ name: String, _ source: String) throws -> RunConfig {
    do {
      return try RunConfig.recipe(name)
    } catch let error as UsageError {
      throw UsageError("\(source): \(error.description)")
    }
  }

  private func validate() throws {
    var seen: Set<String> = []
    for cell in cells {
      guard seen.insert(cell.name).inserted else {
        throw UsageError(
          "\(source): there are two cells \(cell.label), or two whose folders have the same name: give groups other names."
        )
      }
      let first = cells[0].config
      guard cell.config.knnTrain == first.knnTrain, cell.config.knnTest == first.knnTest,
        cell.config.knnLimit == first.knnLimit
      else {
        throw UsageError(
          "\(source): cell \(cell.label) is measured on other images than \(cells[0].label); numbers can only be "
            + "compared with the same knn-train, knn-test and knn-limit.")
      }
      do {
        try cell.config.validate()
      } catch let error as UsageError {
        throw UsageError("\(source): cell \(cell.label): \(error.description) Or \(howToChange)")
      }
    }
    try refuseRepetition()
  }

  /// A key that has no effect looks like a comparison and is none.
  private func refuseRepetition() throws {
    let used = cells.map(\.config.effectiveValues)
    for (number, mine) in used.enumerated() {
      guard let twin = used.firstIndex(of: mine), twin < number else { continue }
      throw UsageError(
        "\(source): cells \(cells[twin].label) and \(cells[number].label) would train the same; what differs has no effect "
          + "on them.")
    }
  }

  /// An option that would change what the spec varies is a misunderstanding.
  private func check(_ config: RunConfig, against overridden: RunConfig) throws {
    let (mine, theirs) = (config.values, overridden.values)
    guard let key = RunConfig.keys.map(\.name).first(where: { mine[$0] != theirs[$0] }) else { return }
    throw UsageError(
      "--\(key) \(theirs[key] ?? ""): the spec itself sets \(key), to \(mine[key] ?? "nothing") for one. "
        + "Leave the option out, or \(howToChange)")
  }
}

/// Keys and the values each of them takes.
private struct Grid {
  typealias Axis = (key: String, values: [Node])
  let axes: [Axis]

  init(_ node: Node?, _ source: String) throws {
    guard let node else {
      axes = []
      return
    }
    guard let mapping = node.mapping else {
      throw UsageError("\(source): `grid`: expected keys with lists such as `moco-m: [0.9, 0.99]`.")
    }
    axes = try mapping.map { key, values in
      let name = key.string ?? "?"
      guard name != "seed" else { throw useSeeds("grid", source) }
      guard let values = values.sequence, !values.isEmpty else {
        throw UsageError("\(source): `grid`: `\(name)` needs a list of values such as [1, 2].")
      }
      return (name, Array(values))
    }
  }

  /// Both grids' axes; of a key in both the second one's values.
  init(over outer: Grid, _ inner: Grid) {
    let own = Set(inner.axes.map(\.key))
    axes = outer.axes.filter { !own.contains($0.key) } + inner.axes
  }

  /// All combinations; the last axis moves fastest. Without axes there is one, which is empty.
  var points: [[(key: String, value: Node)]] {
    axes.reduce([[]]) { points, axis in
      points.flatMap { point in axis.values.map { point + [(axis.key, $0)] } }
    }
  }
}

/// Cells that belong together.
private struct Group {
  var name = ""
  var recipe: String?
  var settings = Node.Mapping([])
  var grid: Grid

  /// A spec without groups is one of its own.
  static func all(_ node: Node?, _ source: String) throws -> [Group] {
    guard let node else { return [Group(grid: try Grid(nil, source))] }
    guard let groups = node.sequence, !groups.isEmpty else {
      throw UsageError("\(source): `groups`: expected a list of groups, each with a name.")
    }
    return try groups.map { group in
      guard let mapping = group.mapping, let name = try mapping.text("name", source) else {
        throw UsageError("\(source): `groups`: every group needs a name.")
      }
      try mapping.checkKeys(
        ["name", "recipe", "settings", "grid"], source: source,
        hint: "A group has name, recipe, settings and grid.")
      return Group(
        name: name, recipe: try mapping.text("recipe", source),
        settings: try mapping.block("settings", source),
        grid: try Grid(mapping["grid"], source))
    }
  }
}
