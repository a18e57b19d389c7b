import CTorch

/// How much arithmetic something is.
public struct Work: Codable, Sendable, Equatable {
  /// Multiplications and additions.
  public var operations: Double
  /// Bytes that are read and written at least.
  public var bytes: Double

  public init(operations: Double, bytes: Double) {
    self.operations = operations
    self.bytes = bytes
  }

  /// The convolutions, matrix products and attention of `body` and its backward passes, with the operands and results
  /// of each. Everything else, such as normalisation and pooling, is left out. One count at a time in a process.
  public static func counted(in body: () throws -> Void) throws -> Work {
    var (operations, bytes) = (0.0, 0.0)
    func count() throws {
      check(ct_count_begin())
      defer { check(ct_count_end(&operations, &bytes)) }
      try body()
    }
    try count()
    return Work(operations: operations, bytes: bytes)
  }
}
