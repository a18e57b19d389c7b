/// A key of pre-training's configuration.
public typealias Key<Value: KeyValue> = ConfigKey<RunConfig, Value>

/// A setting of a run, defined in one place: its name, default, help, allowed values and effect.
///
/// Tables hold all keys of a configuration: ``MethodKeys`` and `RunKeys` those of pre-training. YAML files, command line
/// options with their help, errors, the check before a run is resumed, tables and reports are derived from them.
public struct ConfigKey<Config: KeyedConfig, Value: KeyValue>: KeyOf {
  public let name: String
  public let defaultValue: Value
  /// The value of runs whose files lack the key, because they were begun before it was there.
  public let olderValue: Value
  public let help: String
  public let placeholder: String?
  public let changesResult: Bool
  public let shortcuts: [String: String]
  public let choices: [String]?
  private let need: Condition<Config>?
  private let changesTraining: @Sendable (Config) -> Bool
  private let isAllowed: @Sendable (Value) -> Bool
  private let message: String

  /// - Parameters:
  ///   - name: The name in YAML; on the command line with two dashes.
  ///   - defaultValue: The value if none is given.
  ///   - olderValue: The value of runs that were begun before the key was there; the default unless given.
  ///   - help: One sentence.
  ///   - placeholder: The value's placeholder in the help.
  ///   - allowed: Whether a value is in its range.
  ///   - message: The range, as the end of an error.
  ///   - changesResult: Whether a run can be continued only with the same value.
  ///   - shortcuts: Options that set a fixed value: `cos` for `cosine`.
  ///   - choices: All values for the help, where they are fewer than those of the type.
  ///   - need: The condition on the other keys under which it has a use.
  ///   - hasEffect: Whether another value changes the training in one process, if the key is used at all.
  public init(
    _ name: String, _ defaultValue: Value, inOlderRuns olderValue: Value? = nil, _ help: String,
    _ placeholder: String? = nil, allowed: @escaping @Sendable (Value) -> Bool = { _ in true },
    else message: String = "",
    changesResult: Bool = true, shortcuts: [String: String] = [:], choices: [String]? = Value.choices,
    needs need: Condition<Config>? = nil,
    hasEffect: @escaping @Sendable (Config) -> Bool = { _ in true }
  ) {
    (self.name, self.defaultValue, self.help, self.placeholder) = (name, defaultValue, help, placeholder)
    self.olderValue = olderValue ?? defaultValue
    self.choices = choices
    (self.changesResult, self.shortcuts, self.need) = (changesResult, shortcuts, need)
    (isAllowed, self.message, changesTraining) = (allowed, message, hasEffect)
  }

  public var isFlag: Bool { Value.self is Bool.Type }
  public var takesList: Bool { Value.takesList }
  public var form: String { Value.form }
  public var defaultText: String? { defaultValue.text.isEmpty ? nil : defaultValue.text }

  public func accepts(_ argument: String) -> Bool { Value(argument: argument) != nil }

  public func uselessness(in config: Config) -> String? {
    need.flatMap { $0.isMet(config) ? nil : $0.reason }
  }

  public func hasEffect(in config: Config) -> Bool { changesTraining(config) }

  public func text(in config: Config) -> String? {
    let value = config[self]
    return value.text.isEmpty ? nil : value.text
  }

  public func problem(in config: Config) -> String? {
    isAllowed(config[self]) ? nil : "--\(name) \(config[self].text): \(message)"
  }

  public func isDefault(in config: Config) -> Bool { config[self] == defaultValue }

  public func set(_ argument: String, in config: inout Config) -> Bool {
    guard let value = Value(argument: argument) else { return false }
    config[self] = value
    return true
  }

  public func reset(in config: inout Config) { config[self] = defaultValue }
  public func setOlderValue(in config: inout Config) { config[self] = olderValue }

  public func decode(from decoder: any Decoder, in config: inout Config) throws {
    config[self] = try Value(from: decoder)
  }

  public func encode(_ config: Config, to container: inout KeyedEncodingContainer<KeyName>) throws {
    guard text(in: config) != nil || !(defaultValue is any OptionalValue) else { return }
    try container.encode(config[self], forKey: KeyName(name))
  }
}

private protocol OptionalValue {}
extension Optional: OptionalValue {}

/// A key of any configuration and any value type.
public protocol AnyKey: Sendable {
  var name: String { get }
  var help: String { get }
  var placeholder: String? { get }
  /// Whether it is `--name` and `--no-name` on the command line.
  var isFlag: Bool { get }
  /// All values, if they are a fixed list.
  var choices: [String]? { get }
  /// Whether YAML may give a list.
  var takesList: Bool { get }
  var form: String { get }
  var changesResult: Bool { get }
  var shortcuts: [String: String] { get }
  /// The default as on the command line; nil if the program chooses it.
  var defaultText: String? { get }
  /// Whether an argument of the command line is well formed.
  func accepts(_ argument: String) -> Bool
}

/// A key of one configuration, of any value type.
public protocol KeyOf<Config>: AnyKey {
  associatedtype Config: KeyedConfig

  /// Why no other key's value gives it a use; nil if it has one.
  func uselessness(in config: Config) -> String?
  /// Whether another value changes the training in one process, if the key is used at all.
  func hasEffect(in config: Config) -> Bool
  /// The value as on the command line; nil if the program chooses it.
  func text(in config: Config) -> String?
  /// The error for a value out of its range: it names the option, the value and the range.
  func problem(in config: Config) -> String?
  func isDefault(in config: Config) -> Bool
  /// - Returns: false if the argument is malformed.
  func set(_ argument: String, in config: inout Config) -> Bool
  func reset(in config: inout Config)
  /// Sets the value of runs that were begun before the key was there.
  func setOlderValue(in config: inout Config)
  func decode(from decoder: any Decoder, in config: inout Config) throws
  func encode(_ config: Config, to container: inout KeyedEncodingContainer<KeyName>) throws
}

/// A condition on pre-training's other keys.
public typealias Need = Condition<RunConfig>

/// The condition on the other keys under which a key has a use.
public struct Condition<Config: KeyedConfig>: Sendable {
  /// A sentence without its full stop.
  public let reason: String
  public let isMet: @Sendable (Config) -> Bool

  public init(_ reason: String, isMet: @escaping @Sendable (Config) -> Bool) {
    (self.reason, self.isMet) = (reason, isMet)
  }
}

/// The name of a key in YAML and JSON.
public struct KeyName: CodingKey {
  public let stringValue: String
  public var intValue: Int? { nil }
  public init(_ name: String) { stringValue = name }
  public init?(stringValue: String) { self.init(stringValue) }
  public init?(intValue: Int) { nil }
}
