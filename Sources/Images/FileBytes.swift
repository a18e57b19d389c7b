import Files
import Foundation

/// Reads a whole regular file. Its size is checked before memory is taken; if a file grows or shrinks during
/// the read, the result is the part that was read.
public func readFile(_ path: String, limit: Int) throws(ImageError) -> [UInt8] {
  let source = try RegularFile(FilePath(path), limit: limit)
  defer { source.close() }
  var problem: ImageError?
  let bytes = [UInt8](unsafeUninitializedCapacity: source.count) { memory, filled in
    do throws(ImageError) {
      filled = try source.fill(
        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory).prefix(source.count)))
    } catch {
      problem = error
    }
  }
  if let problem { throw problem }
  return bytes
}

/// A file open for reading, and its size when opened.
struct RegularFile {
  private let descriptor: Int32
  let count: Int

  init(_ path: FilePath, limit: Int) throws(ImageError) {
    descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw Self.lastSystemError() }
    do throws(ImageError) {
      count = try Self.size(of: descriptor, limit: limit)
    } catch {
      Foundation.close(descriptor)
      throw error
    }
  }

  func close() { _ = Foundation.close(descriptor) }

  /// Reads until the memory is full or the file ends; returns the number of bytes.
  func fill(_ memory: UnsafeMutableRawBufferPointer) throws(ImageError) -> Int {
    var filled = 0
    while filled < memory.count {
      let step = read(descriptor, memory.baseAddress! + filled, memory.count - filled)
      if step > 0 {
        filled += step
      } else if step == 0 {
        break
      } else if errno != EINTR {
        throw Self.lastSystemError()
      }
    }
    return filled
  }

  private static func size(of descriptor: Int32, limit: Int) throws(ImageError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw lastSystemError() }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(reason: "not a regular file") }
    let count = Int(status.st_size)
    guard count <= limit else { throw .fileTooLarge(bytes: count, limit: limit) }
    return count
  }

  private static func lastSystemError() -> ImageError {
    let reason = String(cString: strerror(errno))
    switch errno {
    case EMFILE, ENFILE, ENOMEM, ESTALE, ETIMEDOUT, EIO: return .unavailable(reason: reason)
    default: return .unreadable(reason: reason)
    }
  }
}
