import Foundation

/// Writes a tar file (POSIX ustar) whose bytes depend on the members' names and bytes alone: owner 0, mode 0644,
/// time 0. It is written here and not by a library so that no version or locale changes a byte.
///
/// The file is made beside its place; ``finish()`` and then ``publish()`` put it there. A writer that goes before
/// leaves nothing.
final class TarWriter {
  /// The bytes that a name may have: 100, and 155 more in the folders before it.
  static let nameBytes = 100
  static let folderBytes = 155

  let path: String
  private var file: FileHandle?
  private var isPublished = false
  private var partial: String { path + ".partial" }

  /// - Throws: ``ShardError/unwritable(path:reason:)``.
  init(_ path: String) throws(ShardError) {
    self.path = path
    let descriptor = open(path + ".partial", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .unwritable(path: path, reason: String(cString: strerror(errno))) }
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  deinit {
    if !isPublished { unlink(partial) }
  }

  /// Adds a file. `folder` is empty or one name, both without a slash at their ends.
  ///
  /// - Throws: ``ShardError/unwritable(path:reason:)``.
  func add(folder: String, name: String, _ bytes: [UInt8]) throws(ShardError) {
    let padding = [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    try write(Self.header(folder: folder, name: name, size: bytes.count) + bytes + padding)
  }

  /// Ends the archive and flushes it to the disk.
  ///
  /// - Throws: ``ShardError/unwritable(path:reason:)``.
  func finish() throws(ShardError) {
    try write([UInt8](repeating: 0, count: 1024))
    do {
      try file?.synchronize()
      try file?.close()
    } catch { throw unwritable(error) }
    file = nil
  }

  /// Puts the finished file in its place, over what is there.
  ///
  /// - Throws: ``ShardError/unwritable(path:reason:)``.
  func publish() throws(ShardError) {
    precondition(file == nil, "\(path) is not finished")
    guard rename(partial, path) == 0 else {
      throw .unwritable(path: path, reason: String(cString: strerror(errno)))
    }
    isPublished = true
  }

  private func write(_ bytes: [UInt8]) throws(ShardError) {
    do { try file?.write(contentsOf: Data(bytes)) } catch { throw unwritable(error) }
  }

  private func unwritable(_ error: any Error) -> ShardError {
    .unwritable(path: path, reason: (error as NSError).localizedDescription)
  }

  static func header(folder: String, name: String, size: Int) -> [UInt8] {
    precondition(
      name.utf8.count <= nameBytes && folder.utf8.count <= folderBytes,
      "a name of \(name.utf8.count) bytes in a folder of \(folder.utf8.count): ustar takes 100 and 155")
    precondition(size < 1 << 33, "a member of \(size) bytes: ustar takes less than 8 GiB")
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at place: Int) {
      header.replaceSubrange(place..<place + text.utf8.count, with: text.utf8)
    }
    func octal(_ number: Int, digits: Int) -> String {
      let text = String(number, radix: 8)
      return String(repeating: "0", count: digits - text.count) + text
    }
    put(name, at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    put(octal(size, digits: 11), at: 124)
    put("00000000000", at: 136)
    put("        ", at: 148)  // the checksum counts as spaces
    put("0", at: 156)
    put("ustar\u{0}00", at: 257)
    put("0000000", at: 329)
    put("0000000", at: 337)
    put(folder, at: 345)
    let sum = header.reduce(0) { $0 + Int($1) }
    put(octal(sum, digits: 6) + "\u{0} ", at: 148)
    return header
  }
}
