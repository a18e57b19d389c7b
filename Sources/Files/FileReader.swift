import Foundation

/// Reads ranges of one regular file. Not mapped into memory: a bad sector must end in an error that names the
/// tensor, and a mapped page would end the process.
package final class FileReader: Sendable {
  package let path: String
  /// Bytes in the file.
  package let count: Int
  private let descriptor: Int32

  package init(_ path: String) throws {
    self.path = path
    // Non-blocking, or opening a pipe would wait for its writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError(.open, path) }
    var status = stat()
    let known = fstat(descriptor, &status) == 0
    guard known, status.st_mode & S_IFMT == S_IFREG else {
      let code = known ? (status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL) : errno
      close(descriptor)
      throw FileError(.read, path, code: code)
    }
    count = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills `buffer` with the bytes from `offset` on.
  package func read(into buffer: UnsafeMutableRawBufferPointer, from offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...].prefix(1 << 30))
      let found = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if found < 0 && errno == EINTR { continue }
      // 0: the file has become shorter since it was opened.
      guard found > 0 else { throw FileError(.read, path, code: found < 0 ? errno : EIO) }
      done += found
    }
  }

  package func bytes(_ range: Range<Int>) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
      try read(
        into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: range.count),
        from: range.lowerBound)
      count = range.count
    }
  }

  /// Hands `range` of the file to `body`, in memory that is given back after it.
  package func withBytes<Result>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard !range.isEmpty else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    guard let start = malloc(range.count) else { throw FileError(.read, path, code: ENOMEM) }
    defer { free(start) }
    let buffer = UnsafeMutableRawBufferPointer(start: start, count: range.count)
    try read(into: buffer, from: range.lowerBound)
    return try body(UnsafeRawBufferPointer(buffer))
  }

  /// Hands `range` of the file to `body` block by block, in the same memory, which is given back at the end.
  package func forEachBlock(of range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    guard !range.isEmpty else { return }
    let size = min(range.count, Self.blockSize)
    guard let start = malloc(size) else { throw FileError(.read, path, code: ENOMEM) }
    defer { free(start) }
    var place = range.lowerBound
    while place < range.upperBound {
      let block = UnsafeMutableRawBufferPointer(start: start, count: min(size, range.upperBound - place))
      try read(into: block, from: place)
      try body(UnsafeRawBufferPointer(block))
      place += block.count
    }
  }

  /// Small enough for a core's cache; a multiple of every element's size.
  private static let blockSize = 1 << 18
}
