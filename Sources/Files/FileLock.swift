import Foundation

/// The outcome of locking a file.
package enum FileLock: Equatable {
  case locked
  /// Another process holds it.
  case inUse
  case failed(String)

  /// - Parameter kind: `LOCK_EX` or `LOCK_SH`.
  package init(_ file: Int32, _ kind: Int32) {
    guard flock(file, kind | LOCK_NB) != 0 else {
      self = .locked
      return
    }
    self = errno == EWOULDBLOCK ? .inUse : .failed(String(cString: strerror(errno)))
  }
}
