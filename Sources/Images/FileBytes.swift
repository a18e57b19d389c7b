import Foundation

/// Reads a regular file whole. Its size is checked before memory is taken; a file that grows or shrinks meanwhile
/// gives what was there.
func readFile(_ path: String, limit: Int) throws(ImageError) -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw lastSystemError() }
  defer { close(file) }

  var status = stat()
  guard fstat(file, &status) == 0 else { throw lastSystemError() }
  guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(reason: "not a regular file") }
  let count = Int(status.st_size)
  guard count <= limit else { throw .fileTooLarge(bytes: count, limit: limit) }

  var problem: ImageError?
  let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
    while filled < count {
      let step = read(file, memory.baseAddress! + filled, count - filled)
      if step > 0 {
        filled += step
      } else if step == 0 {
        break
      } else if errno != EINTR {
        problem = lastSystemError()
        break
      }
    }
  }
  if let problem { throw problem }
  return bytes
}

private func lastSystemError() -> ImageError {
  .unreadable(reason: String(cString: strerror(errno)))
}
