/// A configuration: a value for every key of its tables.
public protocol KeyedConfig: Sendable {
  var storage: KeyStorage { get set }
  /// Every key has its default.
  init()
}

/// The values of keys that are not at their defaults.
public struct KeyStorage: Sendable {
  fileprivate var values: [String: any KeyValue] = [:]

  public init() {}
}

extension KeyedConfig {
  public subscript<Value>(key: ConfigKey<Self, Value>) -> Value {
    get {
      guard let stored = storage.values[key.name] else { return key.defaultValue }
      guard let value = stored as? Value else {
        preconditionFailure("\(key.name) holds \(stored), expected a \(Value.self)")
      }
      return value
    }
    set { storage.values[key.name] = newValue }
  }
}

/// The configuration of a pre-training run. Keys are members:
///
///     var config = RunConfig()
///     config.method = "simclr"
///     config.mocoT = 0.5
///     let loss = config.kind.expectedLoss(config, facts)
@dynamicMemberLookup
public struct RunConfig: KeyedConfig {
  public var storage = KeyStorage()

  /// Every key has its default.
  public init() {}

  public subscript<Value>(dynamicMember path: KeyPath<MethodKeys, Key<Value>>) -> Value {
    get { self[MethodKeys.table[keyPath: path]] }
    set { self[MethodKeys.table[keyPath: path]] = newValue }
  }
}
