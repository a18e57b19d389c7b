import Models
import Torch

/// A value of a configuration key, with a form for the command line and one for YAML and JSON.
public protocol KeyValue: Codable, Sendable, Equatable {
  /// - Parameter argument: The text on the command line.
  init?(argument: String)
  /// The text on the command line.
  var text: String { get }
  /// All values, if they are a fixed list.
  static var choices: [String]? { get }
  /// Whether YAML may give a list.
  static var takesList: Bool { get }
  /// The form of an argument, as the end of "give …".
  static var form: String { get }
}

extension KeyValue {
  public static var choices: [String]? { nil }
  public static var takesList: Bool { false }
}

extension KeyValue where Self: LosslessStringConvertible {
  public init?(argument: String) { self.init(argument) }
  public var text: String { description }
}

extension Int: KeyValue { public static var form: String { "a whole number" } }
extension UInt64: KeyValue { public static var form: String { "a whole number" } }
extension Double: KeyValue { public static var form: String { "a number such as 0.1" } }
extension Bool: KeyValue { public static var form: String { "true or false" } }
extension String: KeyValue { public static var form: String { "a text" } }

extension KeyValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  public init?(argument: String) { self.init(rawValue: argument) }
  public var text: String { rawValue }
  public static var choices: [String]? { allCases.map(\.rawValue) }
  public static var form: String { "one of \(allCases.map(\.rawValue).joined(separator: ", "))" }
}

extension Architecture: KeyValue {}
extension Stem: KeyValue {}
extension Pooling: KeyValue {}
extension Precision: KeyValue {}

/// A key whose value the program may choose.
extension Optional: KeyValue where Wrapped: KeyValue {
  public init?(argument: String) {
    guard let value = Wrapped(argument: argument) else { return nil }
    self = value
  }

  public var text: String { self?.text ?? "" }
  public static var choices: [String]? { Wrapped.choices }
  public static var takesList: Bool { Wrapped.takesList }
  public static var form: String { Wrapped.form }
}
