/// The configuration of a run: a value for every key of the tables. Keys are members:
///
///     var config = RunConfig()
///     config.method = "simclr"
///     config.mocoT = 0.5
///     let loss = config.kind.expectedLoss(config, facts)
@dynamicMemberLookup
public struct RunConfig: Sendable {
  private var values: [String: any KeyValue] = [:]

  /// Every key has its default.
  public init() {}

  public subscript<Value>(key: Key<Value>) -> Value {
    get {
      guard let stored = values[key.name] else { return key.defaultValue }
      guard let value = stored as? Value else {
        preconditionFailure("\(key.name) holds \(stored), expected a \(Value.self)")
      }
      return value
    }
    set { values[key.name] = newValue }
  }

  public subscript<Value>(dynamicMember path: KeyPath<MethodKeys, Key<Value>>) -> Value {
    get { self[MethodKeys.table[keyPath: path]] }
    set { self[MethodKeys.table[keyPath: path]] = newValue }
  }
}
