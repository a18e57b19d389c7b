import Files
import Methods

/// A configuration that is a command's options, a recipe in YAML, a file in a run's folder, and a part of its checkpoints.
package protocol CommandConfig: KeyedConfig, Codable, Equatable {
  /// The command, as `pretrain`.
  static var command: String { get }
  /// All keys, in the order of the YAML file.
  static var keys: [any KeyOf<Self>] { get }
  /// The recipes in the program, each a YAML file.
  static var recipes: [(name: String, text: [UInt8])] { get }
  /// Keys that may differ from rank to rank, as machines do.
  static var keysOfMachines: Set<String> { get }
  /// Keys that are places. They may differ from rank to rank too, but all ranks must have them.
  static var keysOfPlaces: Set<String> { get }
  /// Why the others do not use a key, apart from its own condition; nil if they do.
  func disuse(of key: any KeyOf<Self>) -> String?
  /// Settles what keys mean for one another that somebody has given together, on the command line or in a file.
  /// - Throws: `UsageError` where they contradict each other.
  mutating func settle(given names: Set<String>) throws
  /// The same with values that mean the same, so that runs can be compared.
  var comparable: Self { get }
}

extension CommandConfig {
  package mutating func settle(given names: Set<String>) throws {}

  package static func key(_ name: String) -> (any KeyOf<Self>)? { keys.first { $0.name == name } }

  /// The configuration of a run that was begun before any key was there.
  static var olderRun: Self {
    var config = Self()
    for key in keys { key.setOlderValue(in: &config) }
    return config
  }

  /// The reason why a key has no use; nil if it has one.
  package func uselessness(of key: any KeyOf<Self>) -> String? {
    key.uselessness(in: self) ?? disuse(of: key)
  }

  /// The values that have an effect on the training of one process, by key name. They include keys that never
  /// change a result.
  package var effectiveValues: [String: String] {
    values { uselessness(of: $0) == nil && $0.hasEffect(in: self) }
  }

  /// All values, by key name; values that the program chooses are missing.
  package var values: [String: String] { values { _ in true } }

  private func values(where isWanted: (any KeyOf<Self>) -> Bool) -> [String: String] {
    let found = Self.keys.filter(isWanted).compactMap { key in key.text(in: self).map { (key.name, $0) } }
    return Dictionary(uniqueKeysWithValues: found)
  }

  /// The keys with different values that change the result, one message each.
  package func differences(from other: Self) -> [String] {
    changes(to: other).map { "\($0.key) is \($0.old) there and \($0.new) here" }
  }

  /// The keys that change the result and have another value in `other`.
  package func changes(to other: Self) -> [KeyChange] {
    func lasting(_ config: Self) -> [String: String] {
      config.comparable.values { key in
        key.changesResult && (uselessness(of: key) == nil || other.uselessness(of: key) == nil)
      }
    }
    let (mine, theirs) = (lasting(self), lasting(other))
    return Self.keys.map(\.name).filter { mine[$0] != theirs[$0] }.map {
      KeyChange(key: $0, old: mine[$0] ?? "unset", new: theirs[$0] ?? "unset")
    }
  }

  /// The settings that all ranks of a run must have in common, by the options' names.
  package var settingsOfAllRanks: [(name: String, value: String)] {
    Self.keys.filter { !Self.keysOfMachines.contains($0.name) }.compactMap { key in
      key.text(in: self).map { ("--\(key.name)", Self.keysOfPlaces.contains(key.name) ? "given" : $0) }
    }
  }

  /// Raises an error for the first value out of its range.
  func checkRanges() throws {
    for problem in Self.keys.lazy.compactMap({ $0.problem(in: self) }) { throw UsageError(problem) }
  }

  package static func == (a: Self, b: Self) -> Bool { a.values == b.values }

  // MARK: - Codable

  /// The configuration of a run; missing keys have the value of older runs, and unknown ones are ignored.
  package init(from decoder: any Decoder) throws {
    self = try Self.decoded(from: decoder)
  }

  package func encode(to encoder: any Encoder) throws { try encodeKeys(to: encoder) }

  static func decoded(from decoder: any Decoder) throws -> Self {
    var config = olderRun
    let container = try decoder.container(keyedBy: KeyName.self)
    for key in keys where container.contains(KeyName(key.name)) {
      try key.decode(from: container.superDecoder(forKey: KeyName(key.name)), in: &config)
    }
    return config
  }

  func encodeKeys(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: KeyName.self)
    for key in Self.keys { try key.encode(self, to: &container) }
  }
}

/// A key whose value changes.
package struct KeyChange: Sendable, Equatable {
  package let key: String
  package let old: String
  package let new: String
}
