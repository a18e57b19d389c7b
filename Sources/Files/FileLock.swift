import Foundation

/// A lock on a file (`flock`), held until the object is gone or the process ends, however it ends.
package final class FileLock {
  /// Why a file is not locked.
  package enum Failure: Error, Equatable {
    /// Another process holds the lock.
    case inUse
    /// The file cannot be opened or made: the system's reason.
    case unwritable(String)
    /// The file system refuses locks: the system's reason.
    case unlockable(String)
  }

  /// The open file; a copy of it holds the lock too.
  package let file: Int32

  /// Locks a file, which is made if needed.
  /// - Parameter waits: whether to wait for another process that holds the lock.
  package init(_ path: String, waits: Bool = false) throws(Failure) {
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw .unwritable(String(cString: strerror(errno))) }
    while flock(file, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      let failure = errno == EWOULDBLOCK ? Failure.inUse : .unlockable(String(cString: strerror(errno)))
      close(file)
      throw failure
    }
    self.file = file
  }

  deinit { close(file) }

  /// Whether a process holds the lock now. Makes no file.
  package static func isHeld(_ path: String) -> Bool {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    return flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }
}
