import Files
@preconcurrency import Foundation  // stdout is a variable in C

enum StandardOutput {
  /// Writes what is still buffered.
  /// - Throws: `RunError` where something that was printed has not arrived, as on a full disk. A reader that has gone
  ///   away, as `head` does, is no error.
  static func finish() throws {
    let isWritten = fflush(stdout) == 0
    let code = errno
    guard !isWritten || ferror(stdout) != 0, isWritten || code != EPIPE else { return }
    let reason = isWritten ? "" : ": \(String(cString: strerror(code)))"
    throw RunError("standard output could not be written\(reason). The result is not complete there.")
  }
}
