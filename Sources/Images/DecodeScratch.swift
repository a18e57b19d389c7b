import Foundation

/// The memory of one decoding thread, grown when needed and used again: with it, decoding one picture after another
/// allocates nothing but what the codec libraries take while they run.
///
/// It serves one picture at a time and is not for sharing between threads. After an unusually large picture or file
/// its memory is given back.
public final class DecodeScratch {
  /// Room for a picture of 20 megapixels stays; more is released after use.
  package static let keptBytes = 60_000_000

  package let file = ScratchMemory()
  package let pixels = ScratchMemory()
  /// The pixels as they are stored, before they are turned upright.
  package let stored = ScratchMemory()

  public init() {}

  package func shrink() {
    pixels.shrink()
    stored.shrink()
  }

  /// Room for a file's bytes from elsewhere, of undefined content; they stay as ``read(_:limit:)``'s do.
  ///
  /// - Throws: ``ImageError/outOfMemory(bytes:)``.
  public func room(forFileOf count: Int) throws(ImageError) -> UnsafeMutableRawBufferPointer {
    file.shrink()
    return try file.room(for: count)
  }

  /// Reads a regular file whole. The bytes stay until the next call, or as long as the scratch.
  ///
  /// - Parameters:
  ///   - path: A regular file.
  ///   - limit: the most bytes; the size is checked before memory is taken. A decoder's is
  ///     ``DecodeLimits/maxFileBytes``.
  /// - Throws: ``ImageError/unreadable(reason:)``, ``ImageError/fileTooLarge(bytes:limit:)`` or
  ///   ``ImageError/outOfMemory(bytes:)``, without the path.
  public func read(_ path: String, limit: Int) throws(ImageError) -> UnsafeRawBufferPointer {
    file.shrink()
    let source = try RegularFile(path, limit: limit)
    defer { source.close() }
    let memory = try file.room(for: source.count)
    return UnsafeRawBufferPointer(rebasing: memory.prefix(try source.fill(memory)))
  }
}

/// Memory from malloc that only grows until it is told to shrink.
package final class ScratchMemory {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { free(memory.baseAddress) }

  /// `count` bytes of undefined content; what was there before is lost.
  package func room(for count: Int) throws(ImageError) -> UnsafeMutableRawBufferPointer {
    if memory.count < max(count, 1) {
      release()
      // Some room to spare, so that a slightly larger picture does not allocate again.
      let wanted = max(count + count / 4, 4096)
      guard let start = malloc(wanted) else { throw .outOfMemory(bytes: count) }
      memory = UnsafeMutableRawBufferPointer(start: start, count: wanted)
    }
    return UnsafeMutableRawBufferPointer(rebasing: memory.prefix(count))
  }

  /// `count` zeros. A large picture's are new ones from the system, which take no memory before they are written.
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
