/// Wrong use: the arguments or inputs cannot be used. Nothing was changed. Exit code 2.
public struct UsageError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Something outside the program failed during a run: what, where, and how to fix it. Exit code 1.
public struct RunError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// An error that can mean that the user named something that is not there.
public protocol NamesMissingThing: Error {
  var isMissing: Bool { get }
}

extension Error {
  /// Whether it is a ``UsageError``, or the path that the user named is not there.
  public var isWrongUse: Bool { self is UsageError || (self as? any NamesMissingThing)?.isMissing == true }
}
