import CTorch

/// An amount of arithmetic and memory traffic.
public struct Work: Codable, Sendable, Equatable {
  /// The number of multiplications and additions.
  public var operations: Double
  /// The least number of bytes read and written.
  public var bytes: Double

  public init(operations: Double, bytes: Double) {
    self.operations = operations
    self.bytes = bytes
  }

  /// Counts the convolutions, matrix products and attention of `body` and its backward passes, with their
  /// operands and results. All else, such as normalisation and pooling, is left out. Only one count at a time
  /// per process.
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
