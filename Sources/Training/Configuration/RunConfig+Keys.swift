import Files
import Foundation
import Methods
import Models

extension RunConfig {
  /// All keys, in the order of the YAML file.
  package static let keys: [any AnyKey] = [
    Mirror(reflecting: MethodKeys.table), Mirror(reflecting: RunKeys.table),
  ]
  .flatMap { $0.children.compactMap { $0.value as? any AnyKey } }

  private static let byName = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) })

  /// The configuration of a run that was begun before any key was there.
  static let olderRun: RunConfig = {
    var config = RunConfig()
    for key in keys { key.setOlderValue(in: &config) }
    return config
  }()

  package static func key(_ name: String) -> (any AnyKey)? { byName[name] }

  package subscript<Value>(dynamicMember path: KeyPath<RunKeys, Key<Value>>) -> Value {
    get { self[RunKeys.table[keyPath: path]] }
    set { self[RunKeys.table[keyPath: path]] = newValue }
  }

  // MARK: - Effect of keys

  /// The reason why this method and this network do not use a key; nil if they do.
  package func uselessness(of key: any AnyKey) -> String? {
    if let need = key.need, !need.isMet(self) { return need.reason }
    guard RunConfig.isMethods(key), !kind.keys.contains(where: { MethodKeys.table.name(of: $0) == key.name })
    else {
      return nil
    }
    let mechanism = kind.mechanism.map { $0 == .queue ? "" : " with --mechanism \($0.rawValue)" } ?? ""
    return "--method \(self.method.rawValue)\(mechanism) does not use it"
  }

  /// Whether some methods use the key and others do not.
  private static func isMethods(_ key: any AnyKey) -> Bool { ofMethods.contains(key.name) }
  private static let ofMethods = Set(
    MethodKind.all.flatMap(\.keys).compactMap { MethodKeys.table.name(of: $0) })

  /// The values that have an effect on the training of one process, by key name. They include keys that never
  /// change a result.
  package var effectiveValues: [String: String] {
    values { uselessness(of: $0) == nil && $0.hasEffect(self) }
  }

  /// All values, by key name; values that the program chooses are missing.
  package var values: [String: String] { values { _ in true } }

  private func values(where isWanted: (any AnyKey) -> Bool) -> [String: String] {
    let found = RunConfig.keys.filter(isWanted).compactMap { key in key.text(in: self).map { (key.name, $0) }
    }
    return Dictionary(uniqueKeysWithValues: found)
  }

  /// A key whose value changes.
  package struct Change: Sendable, Equatable {
    package let key: String
    package let old: String
    package let new: String
  }

  /// The keys with different values that change the result, one message each.
  package func differences(from other: RunConfig) -> [String] {
    changes(to: other).map { "\($0.key) is \($0.old) there and \($0.new) here" }
  }

  /// The keys that change the result and have another value in `other`.
  package func changes(to other: RunConfig) -> [Change] {
    func lasting(_ config: RunConfig) -> [String: String] {
      var config = config
      // Given or not, they are the same.
      config.stem = config.stem ?? config.arch.defaultStem
      if config.arch.isTransformer { config.heads = config.heads ?? Architecture.defaultHeads }
      // First weights may lie elsewhere by now.
      config.initFile = config.initFile.map { $0.withoutSlash.lastPathPart }
      return config.values { key in
        key.changesResult && (uselessness(of: key) == nil || other.uselessness(of: key) == nil)
      }
    }
    let (mine, theirs) = (lasting(self), lasting(other))
    return RunConfig.keys.map(\.name).filter { mine[$0] != theirs[$0] }.map {
      Change(key: $0, old: mine[$0] ?? "unset", new: theirs[$0] ?? "unset")
    }
  }
}

extension RunConfig {
  /// Keys that may differ from rank to rank, as machines do.
  private static let keysOfMachines: Set = [
    RunKeys.table.device.name, RunKeys.table.workers.name, RunKeys.table.cache.name,
  ]
  private static let keysOfPlaces: Set = [RunKeys.table.knnTrain.name, RunKeys.table.knnTest.name]

  /// The settings that all ranks of a run must have in common, by the options' names. Data sets may lie in
  /// different places, but all ranks must have them.
  package var settingsOfAllRanks: [(name: String, value: String)] {
    RunConfig.keys.filter { !RunConfig.keysOfMachines.contains($0.name) }.compactMap { key in
      key.text(in: self).map { ("--\(key.name)", RunConfig.keysOfPlaces.contains(key.name) ? "given" : $0) }
    }
  }
}

extension MethodKeys {
  /// The name of the key at a path.
  package func name(of path: PartialKeyPath<MethodKeys>) -> String? {
    (self[keyPath: path] as? any AnyKey)?.name
  }
}

extension RunConfig: Equatable {
  public static func == (a: RunConfig, b: RunConfig) -> Bool { a.values == b.values }
}

extension RunConfig: Codable {
  /// The configuration of a run; missing keys have the value of older runs, and unknown ones are ignored.
  public init(from decoder: any Decoder) throws {
    self = RunConfig.olderRun
    let container = try decoder.container(keyedBy: KeyName.self)
    for key in RunConfig.keys where container.contains(KeyName(key.name)) {
      try key.decode(from: container.superDecoder(forKey: KeyName(key.name)), in: &self)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: KeyName.self)
    for key in RunConfig.keys { try key.encode(self, to: &container) }
  }
}
