import Foundation

/// Writes one file from its start to its end, and to the disk itself before it is done.
package final class FileWriter {
  private let path: String
  private var descriptor: Int32

  /// - Parameter isNew: makes the file, which must not be there: not even as a link, which would be followed.
  package init(_ path: String, isNew: Bool = true) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CLOEXEC | (isNew ? O_CREAT | O_EXCL : 0), 0o644)
    guard descriptor >= 0 else { throw FileError(.open, path) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))  // one call takes at most 2 GiB
      let written = Foundation.write(descriptor, part.baseAddress, part.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw FileError(.write, path, code: written < 0 ? errno : ENOSPC) }
      rest = rest.dropFirst(written)
    }
  }

  package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }
  /// In UTF-8.
  package func write(_ text: String) throws { try write(Array(text.utf8)) }

  package func finish() throws {
    guard fsync(descriptor) == 0 else { throw FileError(.sync, path) }
    let closing = descriptor
    descriptor = -1
    // Some network disks report a failed write only here.
    guard close(closing) == 0 else { throw FileError(.close, path) }
  }
}

/// Writes a new file and puts it on the disk.
package func writeFile<Result>(_ path: String, _ body: (FileWriter) throws -> Result) throws -> Result {
  let writer = try FileWriter(path)
  let result = try body(writer)
  try writer.finish()
  return result
}

/// Names of what is not finished begin with this, so that it is hidden and a sweep finds it.
package let unfinishedPrefix = ".saving-"

package func renameItem(_ path: String, to place: String) throws {
  guard rename(path, place) == 0 else { throw FileError(.rename, place) }
}

/// Puts a folder's list of names on the disk.
package func syncFolder(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw FileError(.open, path) }
  defer { close(descriptor) }
  // EINVAL: this kind of disk cannot, and need not, do it.
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileError(.sync, path) }
}
