import CTorch

/// A failure inside LibTorch, caught at the shim.
public struct TorchError: Error, Equatable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// A shape, type or value that LibTorch refused: a bug of the caller.
    case refused
    /// The host's or the device's memory ran out.
    case outOfMemory
    /// There is no kernel for this element type on this device.
    case notImplemented
  }

  public let kind: Kind
  /// LibTorch's message.
  public let message: String

  public var description: String {
    switch kind {
    case .refused: "LibTorch refused an operation: \(message)"
    case .outOfMemory:
      "out of memory: \(message). A smaller batch or smaller images need less."
    case .notImplemented: "LibTorch has no kernel for this on the device: \(firstSentence)"
    }
  }

  /// Without the list of all kernels that there are.
  private var firstSentence: String {
    let line = message.prefix { !$0.isNewline }
    return line.firstRange(of: ". ").map { "\(line[..<$0.lowerBound])." } ?? String(line)
  }

  /// A placeholder; the scope then throws its own failure.
  static let unexplained = TorchError(kind: .refused, message: "no message")

  /// Whether an operation failed in this thread's scope: results after that are undefined.
  static var isRecorded: Bool { ct_error_kind() != CT_OK }

  /// This thread's recorded failure.
  static var recorded: TorchError? {
    let kind: Kind
    switch ct_error_kind() {
    case CT_OK: return nil
    case CT_OUT_OF_MEMORY: kind = .outOfMemory
    case CT_NOT_IMPLEMENTED: kind = .notImplemented
    default: kind = .refused
    }
    return TorchError(kind: kind, message: String(cString: ct_error_message()))
  }

  /// Removes the recorded failure and returns it.
  static func takeRecorded() -> TorchError? {
    defer { ct_error_clear() }
    return recorded
  }
}

/// Runs `body` and throws the first failure of any tensor operation in it.
///
/// Tensor operations do not throw one by one, so that a forward pass reads like the paper. Inside this scope
/// a failed operation gives an undefined tensor, all results computed from it are undefined too, and the
/// first cause is thrown at the end. Outside any scope a failed operation traps with LibTorch's message.
/// Scopes nest: if an outer scope already has a failure when an inner one begins, both throw it.
///
/// The scope belongs to the calling thread: `body` is synchronous.
public func withTorchErrors<Result>(_ body: () throws -> Result) throws -> Result {
  let isOuters = TorchError.isRecorded
  ct_error_scope_begin()
  defer {
    ct_error_scope_end()
    if !isOuters { ct_error_clear() }
  }
  do {
    let result = try body()
    if let error = TorchError.recorded { throw error }
    return result
  } catch {
    // LibTorch's first error is the cause of the later error from `body`.
    throw TorchError.recorded ?? error
  }
}

/// Traps on failure outside a ``withTorchErrors(_:)`` scope; inside one the failure stays recorded.
@inline(__always)
func check(_ status: ct_status) {
  if status != CT_OK { failed() }
}

@inline(never)
private func failed() {
  guard ct_error_scope_depth() == 0 else { return }
  fatalError(TorchError.takeRecorded().map(\.description) ?? "LibTorch failed without a message")
}

/// Calls a shim function that returns one tensor.
@inline(__always)
func produce(_ body: (UnsafeMutablePointer<OpaquePointer?>) -> ct_status) -> Tensor {
  var handle: OpaquePointer?
  check(body(&handle))
  return Tensor(owning: handle)
}
