import Files
import Training
import Yams

/// What a transfer table compares: starts (rows) by tasks (columns), with several seeds. A YAML file:
///
/// ```yaml
/// title: Which encoder for blood cells?
/// seeds: [1, 2, 3]
/// data:                            # places, which the command line names: --data cells=PATH
///   cells: a folder in the layout of VOC
/// pretrain:                        # what the pre-trainings have in common; its network is that of random starts too
///   data: photos/
///   recipe: v2
///   settings: {arch: resnet18}
/// starts:
///   - {name: random, weights: random}
///   - {name: supervised}           # --start supervised=FILE
///   - {name: v2, weights: runs/v2}
///   - {name: memory bank, pretrain: {settings: {mechanism: memory-bank}}}
/// tasks:
///   - name: cells
///     command: detect
///     recipe: small-c4
///     train: "{cells}:train"
///     test: "{cells}:test"
///     settings: {steps: 300}
///     metrics: [AP50, AP, AP75]
/// baseline: supervised             # differences are to it; the first start unless given
/// published:
///   note: The source.
///   values: {supervised: {cells: {AP50: 81.3}}}
/// ```
package struct TransferTableSpec: Sendable {
  /// Data that the command line names.
  struct Place: Sendable, Equatable {
    let name: String
    let meaning: String

    init(_ name: String, _ meaning: String, _ source: String) throws {
      guard name.wholeMatch(of: /[a-z][a-z0-9-]*/) != nil, name != "out" else {
        throw UsageError(
          "\(source): `data`: `\(name)` is no name of a place: small letters, digits and hyphens, and not `out`."
        )
      }
      (self.name, self.meaning) = (name, meaning)
    }
  }

  /// A number of a paper.
  struct Published: Sendable, Equatable {
    let start: String
    let task: String
    let metric: String
    let value: Double
  }

  package let title: String
  /// Where it was read: `spec table2`, or a path.
  let source: String
  /// The experiment and its paper.
  let note: String
  package internal(set) var seeds: [UInt64] = [1]
  let places: [Place]
  package internal(set) var starts: [TransferTableStart] = []
  package internal(set) var tasks: [TransferTableTask] = []
  /// The network of random starts for tasks that need a whole encoder; nil where the spec has no `pretrain`.
  var network: TransferTableStart.Pretraining?
  /// The start that differences are to; the first one unless given.
  private let baselineName: String?
  let published: [Published]
  let publishedNote: String
  /// The places' values, absolute where they are paths.
  var located: [String: String] = [:]

  /// The specs that come with the program, each a YAML file in `Specs/`.
  package enum Ready: String, CaseIterable, Sendable {
    case small, dense, table2, table3, table5, table6

    package var text: String {
      switch self {
      case .small: String(decoding: PackageResources.small_yaml, as: UTF8.self)
      case .dense: String(decoding: PackageResources.dense_yaml, as: UTF8.self)
      case .table2: String(decoding: PackageResources.table2_yaml, as: UTF8.self)
      case .table3: String(decoding: PackageResources.table3_yaml, as: UTF8.self)
      case .table5: String(decoding: PackageResources.table5_yaml, as: UTF8.self)
      case .table6: String(decoding: PackageResources.table6_yaml, as: UTF8.self)
      }
    }
  }

  /// A ready spec by its name, or a file of one's own, with a command line's options.
  package init(_ nameOrPath: String, _ options: TransferTableOptions = TransferTableOptions()) throws {
    let isReady = Ready(rawValue: nameOrPath) != nil
    try self.init(
      yaml: TransferTableSpec.text(nameOrPath), source: isReady ? "spec \(nameOrPath)" : nameOrPath, options)
  }

  /// The YAML of a ready spec, or of a file.
  package static func text(_ nameOrPath: String) throws -> String {
    try specText(nameOrPath, ready: Ready.allCases.map { ($0.rawValue, $0.text) })
  }

  /// Reads YAML; unknown keys and names are errors that name the nearest known one.
  package init(yaml: String, source: String, _ options: TransferTableOptions) throws {
    self = try TransferTableSpec(yaml: yaml, source: source).applying(options)
    try validate()
  }

  private init(yaml: String, source: String) throws {
    self.source = source
    let spec = try Node.Mapping(lines: yaml, source: source)
    try spec.checkKeys(
      ["title", "note", "seeds", "data", "pretrain", "starts", "tasks", "baseline", "published"],
      source: source,
      hint: "A spec has title, note, seeds, data, pretrain, starts, tasks, baseline and published.")
    title = try spec.text("title", source) ?? source
    note = try spec.text("note", source) ?? ""
    seeds = try spec.seeds(source) ?? seeds
    places = try spec.lines("data", source).map { try Place($0.string ?? "?", $1.shown, source) }
    baselineName = try spec.text("baseline", source)
    if spec["pretrain"] != nil {
      network = try TransferTableStart.Pretraining(spec.lines("pretrain", source), "\(source): `pretrain`")
    }
    let published = try spec.lines("published", source)
    try published.checkKeys(
      ["note", "values"], source: "\(source): `published`", hint: "It has note and values.")
    publishedNote = try published.text("note", source) ?? ""
    self.published = try TransferTableSpec.published(published.lines("values", source), source)
    for start in try TransferTableSpec.list(spec["starts"], "starts", source) {
      starts.append(try TransferTableStart(start, shared: network, source))
    }
    tasks = try TransferTableSpec.list(spec["tasks"], "tasks", source).map {
      try TransferTableTask($0, source)
    }
    try checkNames()
  }

  private static func list(_ node: Node?, _ key: String, _ source: String) throws -> [Node.Mapping] {
    guard let list = node?.sequence, !list.isEmpty, list.allSatisfy({ $0.mapping != nil }) else {
      throw UsageError("\(source): `\(key)`: expected a list, each with a name.")
    }
    return list.compactMap(\.mapping)
  }

  private static func published(_ values: Node.Mapping, _ source: String) throws -> [Published] {
    try values.flatMap { start, tasks in
      try (tasks.mapping ?? Node.Mapping([])).flatMap { task, metrics in
        try (metrics.mapping ?? Node.Mapping([])).map { metric, value in
          guard let number = value.scalar.flatMap({ Double($0.string) }), number.isFinite else {
            throw UsageError("\(source): `published`: expected a number, not `\(value.shown)`.")
          }
          return Published(
            start: start.string ?? "?", task: task.string ?? "?", metric: metric.string ?? "?", value: number)
        }
      }
    }
  }

  // MARK: - Checks

  private func validate() throws {
    var seen: Set<String> = []
    for name in starts.map(\.name) + tasks.map(\.name) where !seen.insert(folderName([name])).inserted {
      throw UsageError(
        "\(source): two starts or tasks are called \(name), or have names that are the same for a folder: give them others."
      )
    }
    let declared = places.map(\.name)
    for task in tasks {
      for text in [task.train, task.test] { try checkPlaces(text, declared, "task \(task.name)") }
    }
    for start in starts {
      if case .pretrained(let run) = start.weights {
        try checkPlaces(run.data ?? "", declared, "start \(start.name)")
      }
    }
    if let task = tasks.first(where: { !$0.command.makesRun }), network?.recipe == nil,
      let random = starts.first(where: \.isRandom)
    {
      throw UsageError(
        "\(source): task \(task.name) measures a whole encoder, and the network of start \(random.name) is not known: "
          + "give the spec `pretrain` with a recipe and settings, or --skip one of them.")
    }
  }

  /// Names of starts and tasks that the spec has, before any is left out.
  private func checkNames() throws {
    func check(_ name: String, _ known: [String], _ place: String, _ kind: String) throws {
      guard !known.contains(name) else { return }
      throw UsageError(
        "\(source): `\(place)`: there is no \(kind) \(name).\(suggestion(for: name, among: known))")
    }
    if let baselineName { try check(baselineName, starts.map(\.name), "baseline", "start") }
    for number in published {
      try check(number.start, starts.map(\.name), "published", "start")
      try check(number.task, tasks.map(\.name), "published", "task")
      let metrics = tasks.first { $0.name == number.task }?.metrics ?? []
      try check(number.metric, metrics, "published", "metric of \(number.task)")
    }
  }

  /// The forms `{name}` that are places; patterns of shards such as `{000..127}` are none.
  private func checkPlaces(_ text: String, _ declared: [String], _ owner: String) throws {
    for match in text.matches(of: /\{([a-z][a-z0-9-]*)\}/) where !declared.contains(String(match.1)) {
      throw UsageError(
        "\(source): \(owner): `data` has no `\(match.1)`.\(suggestion(for: String(match.1), among: declared)) "
          + "Name it there with its meaning, or write a path.")
    }
  }

  /// The start that differences are to.
  var baseline: TransferTableStart { starts.first { $0.name == baselineName } ?? starts[0] }

  /// The cells, row by row.
  package var cells: [TransferTableCell] {
    starts.flatMap { start in
      tasks.flatMap { task in
        seeds(of: start, task).map { TransferTableCell(start: start, task: task, seed: $0) }
      }
    }
  }

  /// A task without chance is run once, but for random starts, whose weights differ.
  func seeds(of start: TransferTableStart, _ task: TransferTableTask) -> [UInt64] {
    let all = task.seeds ?? seeds
    return task.command.takesSeed || start.isRandom ? all : Array(all.prefix(1))
  }
}
