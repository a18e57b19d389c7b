import Foundation

/// A result's file, written in parts.
struct OutputFile {
  fileprivate let handle: FileHandle

  func add(_ text: String) throws { try handle.write(contentsOf: Data(text.utf8)) }
  func add(_ bytes: UnsafeRawBufferPointer) throws {
    // Slices, because the bytes are copied for the call.
    for start in stride(from: 0, to: bytes.count, by: 1 << 26) {
      try handle.write(contentsOf: Data(bytes[start..<min(start + (1 << 26), bytes.count)]))
    }
  }
}

/// Writes a file whole or not at all: beside its place, then renamed.
/// - Parameter option: the option that named the path, for the error's text.
func writeOutput(to path: String, option: String, _ body: (OutputFile) throws -> Void) throws {
  let folder = (path as NSString).deletingLastPathComponent
  let unfinished = (folder as NSString).appendingPathComponent(
    ".writing-\(getpid())-" + (path as NSString).lastPathComponent)
  func failure(_ reason: String) -> RunError {
    RunError("\(option) \(path): cannot be written: \(reason). Free space, or choose another place.")
  }
  guard FileManager.default.createFile(atPath: unfinished, contents: nil),
    let handle = FileHandle(forWritingAtPath: unfinished)
  else { throw failure(String(cString: strerror(errno))) }
  do {
    try body(OutputFile(handle: handle))
    try handle.close()
  } catch let error as CocoaError {
    unlink(unfinished)
    throw failure(error.localizedDescription)
  } catch {
    unlink(unfinished)
    throw error
  }
  guard rename(unfinished, path) == 0 else {
    let reason = String(cString: strerror(errno))
    unlink(unfinished)
    throw failure(reason)
  }
}
