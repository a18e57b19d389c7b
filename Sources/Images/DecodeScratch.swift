import Files
import Foundation

/// The memory of one decoding thread. It grows when needed and is reused: with it, decoding pictures one
/// after another allocates only the codec libraries' temporary memory.
///
/// It holds one picture at a time and must not be shared between threads. After an unusually large picture or
/// file its memory is released.
public final class DecodeScratch {
  /// Memory for a picture of 20 megapixels is kept; more is released after use.
  package static let keptBytes = 60_000_000

  package let file = ScratchMemory()
  package let pixels = ScratchMemory()
  /// The stored pixels, before they are turned upright.
  package let stored = ScratchMemory()

  public init() {}

  package func shrink() {
    pixels.shrink()
    stored.shrink()
  }

  /// A buffer for a file's bytes from another source, with undefined content. They are valid as long as those
  /// of ``read(_:limit:)``.
  ///
  /// - Throws: ``ImageError/outOfMemory(bytes:)``.
  public func room(forFileOf count: Int) throws(ImageError) -> UnsafeMutableRawBufferPointer {
    file.shrink()
    return try file.room(for: count)
  }

  /// Reads a whole regular file. The bytes are valid until the next call, or as long as the scratch exists.
  ///
  /// - Parameters:
  ///   - path: A regular file.
  ///   - limit: The largest size; it is checked before memory is taken. A decoder uses
  ///     ``DecodeLimits/maxFileBytes``.
  /// - Throws: ``ImageError/unreadable(reason:)``, ``ImageError/fileTooLarge(bytes:limit:)`` or
  ///   ``ImageError/outOfMemory(bytes:)``, without the path.
  public func read(_ path: String, limit: Int) throws(ImageError) -> UnsafeRawBufferPointer {
    try read(FilePath(path), limit: limit)
  }

  package func read(_ path: FilePath, limit: Int) throws(ImageError) -> UnsafeRawBufferPointer {
    file.shrink()
    let source = try RegularFile(path, limit: limit)
    defer { source.close() }
    let memory = try file.room(for: source.count)
    return UnsafeRawBufferPointer(rebasing: memory.prefix(try source.fill(memory)))
  }
}

/// Memory from malloc that grows on demand and shrinks only by an explicit call.
package final class ScratchMemory {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { free(memory.baseAddress) }

  /// `count` bytes with undefined content; the earlier content is lost.
  package func room(for count: Int) throws(ImageError) -> UnsafeMutableRawBufferPointer {
    if memory.count < max(count, 1) {
      release()
      // A quarter more than needed, so that a slightly larger picture does not allocate again.
      let wanted = max(count + count / 4, 4096)
      guard let start = malloc(wanted) else { throw .outOfMemory(bytes: count) }
      memory = UnsafeMutableRawBufferPointer(start: start, count: wanted)
    }
    return UnsafeMutableRawBufferPointer(rebasing: memory.prefix(count))
  }

  /// `count` zeros. For a large picture they are new pages from the system, which use no memory until they
  /// are written.
  package func zeros(_ count: Int) throws(ImageError) -> UnsafeMutableRawBufferPointer {
    release()
    guard let start = calloc(max(count, 1), 1) else { throw .outOfMemory(bytes: count) }
    memory = UnsafeMutableRawBufferPointer(start: start, count: count)
    return memory
  }

  package func shrink() {
    if memory.count > DecodeScratch.keptBytes { release() }
  }

  private func release() {
    free(memory.baseAddress)
    memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }
}
