import Foundation

/// A file or folder that the system would not read or write.
public struct FileError: Error, Equatable, CustomStringConvertible {
  public enum Operation: String, Sendable {
    case open, read, write, sync, close, rename, list, remove
    case makeFolder = "make the folder"
    case writeInto = "write into the folder"
  }

  public let operation: Operation
  public let path: String
  /// The system's `errno`.
  public let code: Int32

  public init(_ operation: Operation, _ path: String, code: Int32 = errno) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  /// The disk, or the user's share of it, has no room left.
  public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

  public var description: String { "cannot \(operation.rawValue) \(path): \(reason)" }

  /// The fault and how to fix it, without the path.
  public var reason: String {
    switch code {
    case ENOSPC: "the disk is full. Free space on it, or choose a folder on another disk."
    case EDQUOT: "your disk quota is used up. Free space, or choose a folder on another disk."
    case EFBIG: "the file would exceed the size limit. Raise the limit (ulimit -f), or choose another disk."
    case ENOENT: "there is no such file or folder. Check the path."
    case EACCES, EPERM: "permission is denied. Change its permissions, or choose another folder."
    case EISDIR: "it is a folder. Name a file."
    case ENOTDIR: "it is no folder. Check the path."
    case EINVAL where operation != .sync:
      "it is no regular file but a pipe, a device or the like. Name a file."
    case ENAMETOOLONG: "the name is too long. Choose a shorter one."
    case ELOOP: "its symbolic links lead in a circle. Check the path."
    case EROFS: "the disk is read-only. Choose a folder on another disk."
    default: "\(String(cString: strerror(code))). Check the disk, or choose another folder."
    }
  }
}

/// Runs a call of FileManager and turns its error into a ``FileError``.
public func reportingFileErrors<Result>(
  _ operation: FileError.Operation, _ path: String, _ body: () throws -> Result
) throws(FileError) -> Result {
  do {
    return try body()
  } catch {
    // Cast in two steps: on Linux an entry of the dictionary is no NSError, whatever error it is.
    let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
    throw FileError(operation, path, code: cause.map { Int32(($0 as NSError).code) } ?? EIO)
  }
}
