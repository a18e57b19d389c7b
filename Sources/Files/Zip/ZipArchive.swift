import CArchives

/// Reads a zip file, as `torch.save` writes: stored and deflated entries, zip64 too.
///
/// Only the list of contents is in memory. It is the list that counts; the header in front of an entry must agree
/// with it. Names are unique, entries do not overlap, and checksums are compared when an entry is read.
package final class ZipArchive {
  package struct Entry: Equatable {
    package let name: String
    package let isDeflated: Bool
    package let crc: UInt32
    /// Bytes after unpacking.
    package let count: Int
    /// Its bytes in the file.
    package let range: Range<Int>
  }

  package static let entryLimit = 100_000
  private static let nameLimit = 1024
  /// Deflate cannot pack more tightly.
  private static let ratioLimit = 1032
  /// A deflated entry may be this much larger than the whole file.
  private static let inflateAllowance = 16 << 20

  package let entries: [String: Entry]
  private let reader: FileReader
  private var checked: Set<String> = []

  package init(_ reader: FileReader) throws {
    self.reader = reader
    entries = try ZipDirectory(reader).entries(
      limit: Self.entryLimit, nameLimit: Self.nameLimit, ratioLimit: Self.ratioLimit)
  }

  /// Compares a stored entry with its checksum, once, a block at a time; gives its bytes in the file.
  package func checkedRange(_ entry: Entry) throws -> Range<Int> {
    precondition(!entry.isDeflated, "\(entry.name) is deflated: it has no bytes of its own in the file")
    guard !checked.contains(entry.name) else { return entry.range }
    try forEachBlock(of: entry) { _ in }
    return entry.range
  }

  /// Hands a stored entry's bytes to `body` block by block, and compares their checksum at the end.
  package func forEachBlock(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    precondition(!entry.isDeflated, "\(entry.name) is deflated: it has no bytes of its own in the file")
    let isChecked = checked.contains(entry.name)
    var crc: UInt32 = 0
    try reader.forEachBlock(of: entry.range) { block in
      if !isChecked { crc = ca_crc32(crc, block.baseAddress, block.count) }
      try body(block)
    }
    guard !isChecked else { return }
    try check(crc, entry)
    checked.insert(entry.name)
  }

  /// A whole entry, unpacked.
  package func bytes(_ entry: Entry) throws -> [UInt8] {
    guard entry.isDeflated else { return try reader.bytes(try checkedRange(entry)) }
    guard entry.count <= reader.count + Self.inflateAllowance else {
      throw InterchangeError(
        path: reader.path, problem: .overLimit("\(entry.name) unpacks to \(entry.count) bytes"))
    }
    var message = ca_zlib_message()
    var status = ca_zlib_status.ok
    let plain = try reader.withBytes(entry.range) { packed in
      [UInt8](unsafeUninitializedCapacity: entry.count) { buffer, filled in
        status = ca_inflate(packed.baseAddress, packed.count, buffer.baseAddress, entry.count, &message)
        filled = status == .ok ? entry.count : 0
      }
    }
    switch status {
    case .ok: break
    case .outOfMemory: throw FileError(.read, reader.path, code: 12)
    default:
      throw InterchangeError(path: reader.path, problem: .damaged("\(entry.name) cannot be unpacked"))
    }
    try check(plain.withUnsafeBytes { ca_crc32(0, $0.baseAddress, $0.count) }, entry)
    return plain
  }

  private func check(_ crc: UInt32, _ entry: Entry) throws {
    guard crc == entry.crc else {
      throw InterchangeError(
        path: reader.path, problem: .damaged("the checksum of \(entry.name) is wrong"))
    }
  }
}
