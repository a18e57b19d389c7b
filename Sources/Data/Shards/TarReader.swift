import CArchives
import Files
import Foundation
import Images

/// A file in a shard.
package struct TarMember: Sendable, Equatable {
  /// Relative, without `.` or `..` parts.
  package var name: String
  /// Bytes.
  package var size: Int
  /// Where its bytes begin in the shard's file; nil if that is packed or a command.
  package var offset: Int?

  package init(name: String, size: Int, offset: Int?) {
    (self.name, self.size, self.offset) = (name, size, offset)
  }
}

/// Reads the members of one shard in order: tar (ustar, pax, GNU), plain or packed by gzip or Zstandard.
///
/// Nothing is ever written. Anything but a plain file with a harmless name is passed over and counted; so is a file
/// over the limit, before any memory is taken for it. A reader belongs to one thread; only ``cancel()`` may be
/// called from others.
///
/// An archive that ends between two members without tar's two empty records counts as whole: many programs write
/// such.
package final class TarReader: @unchecked Sendable {  // The C reader's one shared variable is atomic.
  /// Why a member was passed over. Folders are not counted.
  package enum Skipped: String, Sendable, Codable, CodingKeyRepresentable, CaseIterable {
    case absoluteName = "absolute name"
    case parentName = "name with .."
    case noName = "no name"
    case link
    case device
    case sparse = "sparse file"
    case tooLarge = "over the size limit"
    case badSize = "impossible size"
  }

  package let source: ShardSource
  package private(set) var skipped: [Skipped: Int] = [:]
  /// Members seen so far, those passed over too.
  package private(set) var seen = 0
  private let reader: OpaquePointer
  /// Where the archive begins in its file.
  private let start: Int
  private var left = 0
  private var isAtEnd = false

  /// - Parameters:
  ///   - source: A file or a command.
  ///   - part: The bytes of the file that are the archive, where it lies in another; nil for the whole file.
  ///   - limit: The largest member that is not passed over.
  ///   - blockBytes: Read at a time. Small blocks suit a reader that only lists a plain file's members.
  ///   - patience: Seconds that a command may print nothing while its output is waited for; without end unless given.
  /// - Throws: ``ShardError``.
  package init(
    _ source: ShardSource, part: Range<Int>? = nil, limit: Int = DecodeLimits().maxFileBytes,
    blockBytes: Int = 128 << 10, patience: Int? = nil
  ) throws(ShardError) {
    precondition(
      blockBytes > 0 && blockBytes % 512 == 0, "blocks of \(blockBytes) bytes: want a multiple of 512")
    var reader: OpaquePointer?
    let status =
      switch source {
      case .file(let path):
        if let part {
          ca_tar_open_part(
            path, Int64(part.lowerBound), Int64(part.count), blockBytes, Int64(limit), &reader)
        } else {
          ca_tar_open_file(path, blockBytes, Int64(limit), &reader)
        }
      case .command(let text): ca_tar_open_command(text, blockBytes, Int64(limit), &reader)
      }
    guard let reader else { throw .outOfMemory(shard: source.description) }
    self.reader = reader
    self.source = source
    start = part?.lowerBound ?? 0
    if let patience { ca_tar_set_patience(reader, Int32(clamping: patience)) }
    if let error = failure(status) { throw error }
  }

  deinit { ca_tar_free(reader) }

  /// The next file, or nil at the end.
  ///
  /// - Throws: ``ShardError``; a command that ended with another exit status than 0 is one.
  package func next() throws(ShardError) -> TarMember? {
    while !isAtEnd {
      var found = ca_tar_member()
      left = 0
      let status = ca_tar_next(reader, &found)
      if let error = failure(status) { throw error }
      guard status != .end else {
        isAtEnd = true
        break
      }
      seen += 1
      if found.kind == .folder { continue }
      let name = found.name.map { String(cString: $0) } ?? ""
      if let reason = skipReason(found.kind, name) {
        skipped[reason, default: 0] += 1
        continue
      }
      left = Int(found.size)
      return TarMember(
        name: harmless(name), size: left,
        offset: ca_tar_is_plain_file(reader) != 0 ? start + Int(found.offset) : nil)
    }
    return nil
  }

  /// Reads the next `out.count` bytes of the member that ``next()`` gave last.
  ///
  /// - Throws: ``ShardError``.
  package func read(into out: UnsafeMutableRawBufferPointer) throws(ShardError) {
    precondition(out.count <= left, "\(out.count) bytes of a member with \(left) left")
    left -= out.count
    if let error = failure(ca_tar_read(reader, out.baseAddress, out.count)) { throw error }
  }

  /// All bytes of the member that ``next()`` gave last.
  ///
  /// - Throws: ``ShardError``.
  package func readAll() throws(ShardError) -> [UInt8] {
    var problem: ShardError?
    let bytes = [UInt8](unsafeUninitializedCapacity: left) { memory, count in
      count = memory.count
      do throws(ShardError) { try read(into: UnsafeMutableRawBufferPointer(memory)) } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    return bytes
  }

  /// The number of images that follow.
  ///
  /// - Throws: ``ShardError``.
  func countImages(_ rule: ImageRule) throws(ShardError) -> Int {
    var count = 0
    while let member = try next() { count += rule.takes(member.name) ? 1 : 0 }
    return count
  }

  /// Makes the thread that reads throw ``ShardError/cancelled`` soon. From any thread.
  package func cancel() { ca_tar_cancel(reader) }

  private func skipReason(_ kind: ca_tar_kind, _ name: String) -> Skipped? {
    switch kind {
    case .link: return .link
    case .device: return .device
    case .sparse: return .sparse
    case .tooLarge: return .tooLarge
    case .badSize: return .badSize
    case .file, .folder: break
    }
    if name.isEmpty { return .noName }
    if name.hasPrefix("/") { return .absoluteName }
    let parts = name.split(separator: "/")
    if parts.contains("..") { return .parentName }
    return parts.allSatisfy { $0 == "." } ? .noName : nil
  }

  /// `./a//b` as `a/b`.
  private func harmless(_ name: String) -> String {
    guard name.hasPrefix(".") || name.utf8.contains(UInt8(ascii: "/")) else { return name }
    return name.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }

  private func failure(_ status: ca_tar_status) -> ShardError? {
    var message: String {
      String(cString: ca_tar_message(reader))
        .split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        .joined(separator: " | ")
    }
    switch status {
    case .ok, .end: return nil
    case .unreadable: return .unreadable(shard: source.description, reason: message)
    case .damaged:
      return .damaged(
        shard: source.description, members: seen, detail: message.isEmpty ? "it ends too early" : message)
    case .commandFailed:
      guard case .command(let text) = source else {
        return .unreadable(shard: source.description, reason: message)
      }
      return .commandFailed(command: text, detail: message)
    case .cancelled: return .cancelled
    case .outOfMemory: return .outOfMemory(shard: source.description)
    }
  }
}
