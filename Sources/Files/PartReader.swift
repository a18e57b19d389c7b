import CArchives

/// The bytes of a part of a file in sequence, unpacked on the way where they are packed.
///
/// Memory does not depend on what the part unpacks to: at most a block of packed bytes is held.
package final class PartReader {
  package enum Packing {
    case stored
    /// Raw deflate, as in zip.
    case deflate
    /// Deflate with zlib's header and checksum, as in MATLAB's files.
    case zlib
  }

  private let reader: FileReader
  /// For errors.
  private let name: String
  private let inflater: OpaquePointer?
  /// The next byte of the file, and the end of the part.
  private var position: Int
  private let end: Int
  /// Packed bytes that were read, and how many of them are unpacked.
  private var block: [UInt8] = []
  private var used = 0
  private var isEnded = false
  private var crc: UInt32 = 0

  private static let blockBytes = 256 << 10

  /// - Parameters:
  ///   - range: The part; inside the file.
  ///   - name: The part's name in errors.
  package init(_ reader: FileReader, _ range: Range<Int>, _ packing: Packing, name: String) throws {
    precondition(range.upperBound <= reader.count, "bytes \(range) of a file of \(reader.count)")
    (self.reader, self.name, position, end) = (reader, name, range.lowerBound, range.upperBound)
    inflater = packing == .stored ? nil : ca_inflater_make(packing == .zlib ? 1 : 0)
    if packing != .stored, inflater == nil { throw FileError(.read, reader.path, code: 12) }
  }

  deinit { ca_inflater_free(inflater) }

  /// Where the next byte stands in the file; nil where it is packed.
  package var place: Int? { inflater == nil ? position : nil }

  /// CRC-32 of all bytes so far.
  package var checksum: UInt32 { crc }

  /// Fills `out` with the next bytes.
  ///
  /// - Throws: ``InterchangeError`` where there are fewer.
  package func read(into out: UnsafeMutableRawBufferPointer) throws {
    if inflater == nil {
      guard out.count <= end - position else { throw endsEarly }
      try reader.read(into: out, from: position)
      position += out.count
    } else {
      try inflate(into: out)
    }
    crc = ca_crc32(crc, out.baseAddress, out.count)
  }

  /// The next `count` bytes; memory for them is taken at once.
  package func bytes(_ count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      try read(into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
      filled = count
    }
  }

  /// Passes over the next `count` bytes.
  package func skip(_ count: Int) throws {
    if inflater == nil {
      guard count <= end - position else { throw endsEarly }
      position += count
      return
    }
    var left = count
    while left > 0 {
      let step = min(left, 64 << 10)
      _ = try bytes(step)
      left -= step
    }
  }

  /// Checks that nothing follows.
  package func finish() throws {
    var extra: UInt8 = 0
    let hasMore = try withUnsafeMutableBytes(of: &extra) { buffer in
      inflater == nil ? position < end : try unpack(into: buffer) > 0
    }
    guard !hasMore, inflater == nil || isEnded else { throw damaged("is longer than its header says") }
  }

  private var endsEarly: InterchangeError { damaged("ends too early") }

  private func damaged(_ what: String) -> InterchangeError {
    InterchangeError(path: reader.path, problem: .damaged("\(name) \(what)"))
  }

  private func inflate(into out: UnsafeMutableRawBufferPointer) throws {
    guard try unpack(into: out) == out.count else { throw endsEarly }
  }

  /// As many bytes as there are, at most `out.count`.
  private func unpack(into out: UnsafeMutableRawBufferPointer) throws -> Int {
    var room = out.count
    while !isEnded, room > 0 {
      if used == block.count, position < end {
        let next = min(position + Self.blockBytes, end)
        (block, used) = (try reader.bytes(position..<next), 0)
        position = next
      }
      let moved = try step(out, &room)
      // The part ends before its stream does.
      if moved == 0, used == block.count, position == end { break }
    }
    return out.count - room
  }

  /// Returns the packed and plain bytes that went through.
  private func step(_ out: UnsafeMutableRawBufferPointer, _ room: inout Int) throws -> Int {
    var message = ca_zlib_message()
    var left = block.count - used
    var ended: Int32 = 0
    let (packed, plain) = (left, room)
    let status = block.withUnsafeBytes { bytes in
      ca_inflater_step(
        inflater, bytes.baseAddress.map { $0 + used }, &left,
        out.baseAddress.map { $0 + (out.count - room) }, &room, &ended, &message)
    }
    used = block.count - left
    isEnded = ended != 0
    switch status {
    case .ok: return packed - left + plain - room
    case .outOfMemory: throw FileError(.read, reader.path, code: 12)
    default: throw damaged("cannot be unpacked")
    }
  }
}
