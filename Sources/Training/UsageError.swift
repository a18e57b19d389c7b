import Checkpoints
import Views

/// The user asked for something that cannot be done; nothing was changed. Exit code 2.
public struct UsageError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

extension Error {
  /// Whether it is a ``UsageError``, or says that what the user named is not there.
  public var isWrongUse: Bool {
    switch self as any Error {
    case is UsageError, CheckpointError.notFound, DatasetError.missing: true
    default: false
    }
  }
}

/// The world did not play along while a run was on its way: what, where, and how to mend it. Exit code 1.
public struct RunError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// A run whose loss or weights became infinite. Exit code 1; in an ablation, a result.
public struct DivergedRun: Error, Equatable, CustomStringConvertible {
  /// The step, counted from 1.
  public let step: Int
  public let description: String
}
