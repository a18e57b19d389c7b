import Files
import Foundation
import Methods
import Models

extension RunConfig: CommandConfig {
  package static let command = "pretrain"

  package static let keys: [any KeyOf<RunConfig>] = [
    Mirror(reflecting: MethodKeys.table), Mirror(reflecting: RunKeys.table),
  ]
  .flatMap { $0.children.compactMap { $0.value as? any KeyOf<RunConfig> } }

  package static var recipes: [(name: String, text: [UInt8])] { Recipe.all }

  package static let keysOfMachines: Set = [
    RunKeys.table.device.name, RunKeys.table.workers.name, RunKeys.table.cache.name,
  ]
  /// Data sets may lie in different places.
  package static let keysOfPlaces: Set = [RunKeys.table.knnTrain.name, RunKeys.table.knnTest.name]

  package subscript<Value>(dynamicMember path: KeyPath<RunKeys, Key<Value>>) -> Value {
    get { self[RunKeys.table[keyPath: path]] }
    set { self[RunKeys.table[keyPath: path]] = newValue }
  }

  /// Whether the method uses the key.
  package func disuse(of key: any KeyOf<RunConfig>) -> String? {
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

  /// Minutes decide the number of steps: those of a recipe give way. Epochs or steps of an option or of a file undo the
  /// minutes of what they change.
  package mutating func settle(given names: Set<String>) throws {
    let minutes = RunKeys.table.minutes.name
    let others = [RunKeys.table.epochs.name, RunKeys.table.steps.name].filter(names.contains)
    guard names.contains(minutes), self.minutes != nil else {
      if !others.isEmpty { self.minutes = nil }
      return
    }
    if let other = others.first {
      throw UsageError(
        "--\(minutes) and --\(other) contradict each other: the number of steps follows from the minutes. Give one of "
          + "them.")
    }
    self.steps = nil
  }

  package var comparable: RunConfig {
    var config = self
    // Given or not, they are the same.
    config.stem = config.stem ?? config.arch.defaultStem
    if config.arch.isTransformer { config.heads = config.heads ?? Architecture.defaultHeads }
    // First weights may lie elsewhere by now.
    config.initFile = config.initFile.map { $0.withoutSlash.lastPathPart }
    return config
  }

  // The type is public, so these are.
  public init(from decoder: any Decoder) throws { self = try RunConfig.decoded(from: decoder) }
  public func encode(to encoder: any Encoder) throws { try encodeKeys(to: encoder) }
  public static func == (a: RunConfig, b: RunConfig) -> Bool { a.values == b.values }
}

extension MethodKeys {
  /// The name of the key at a path.
  package func name(of path: PartialKeyPath<MethodKeys>) -> String? {
    (self[keyPath: path] as? any AnyKey)?.name
  }
}
