/// The list of contents at a zip file's end.
package struct ZipDirectory: Sendable {
  private let reader: FileReader
  /// Where the list stands.
  private let range: Range<Int>
  private let count: Int

  private static let endSize = 22

  /// An entry as the list has it. Where its bytes begin stands in the header in front of them.
  package struct Listed: Equatable, Sendable {
    package let name: String
    package let isDeflated: Bool
    package let crc: UInt32
    /// Bytes after unpacking, and in the file.
    package let count: Int
    package let packed: Int
    /// Where its header stands, and the bytes of the name in it.
    package let header: Int
    fileprivate let nameCount: Int
  }

  private static func damaged(_ what: String, _ reader: FileReader) -> InterchangeError {
    InterchangeError(path: reader.path, problem: .damaged("as a zip file, \(what)"))
  }
  private func damaged(_ what: String) -> InterchangeError { Self.damaged(what, reader) }

  /// Finds the list.
  ///
  /// - Parameter listLimit: The largest list that is read, bytes.
  package init(_ reader: FileReader, listLimit: Int = 16 << 20) throws {
    self.reader = reader
    let tailStart = max(0, reader.count - (Self.endSize + 0xFFFF))
    let tail = LittleEndianBytes(try reader.bytes(tailStart..<reader.count))
    // The end record is last, behind it only a comment of the length it says.
    let place = stride(from: tail.count - Self.endSize, through: 0, by: -1).first {
      tail.bytes[$0] == 0x50 && tail.uint32($0) == 0x0605_4B50
        && $0 + Self.endSize + Int(tail.uint16($0 + 20)) == tail.count
    }
    guard let place else { throw Self.damaged("it has no list of contents: it was cut off", reader) }
    var count = UInt64(tail.uint16(place + 10))
    var size = UInt64(tail.uint32(place + 12))
    var start = UInt64(tail.uint32(place + 16))
    var end = tailStart + place
    guard tail.uint16(place + 4) == tail.uint16(place + 6) else {
      throw Self.damaged("it is one part of several", reader)
    }
    // A zip64 record, and its locator behind it, come right before the end record.
    if place >= 20, tail.uint32(place - 20) == 0x0706_4B50 {
      let offset = tail.uint64(place - 12)
      guard end >= 76, offset <= UInt64(end - 76) else {
        throw Self.damaged("its zip64 record is not in the file", reader)
      }
      let record = LittleEndianBytes(try reader.bytes(Int(offset)..<Int(offset) + 56))
      guard record.uint32(0) == 0x0606_4B50 else {
        throw Self.damaged("its zip64 record is missing", reader)
      }
      (count, size, start) = (record.uint64(32), record.uint64(40), record.uint64(48))
      end = Int(offset)
    }
    guard start <= UInt64(end), size <= UInt64(end) - start else {
      throw Self.damaged("its list of contents is not in the file", reader)
    }
    guard size <= UInt64(listLimit), count <= size / 46 else {
      throw InterchangeError(
        path: reader.path, problem: .overLimit("a list of \(count) entries in \(size) bytes"))
    }
    range = Int(start)..<Int(start + size)
    self.count = Int(count)
  }

  /// Reads the list and compares it with the headers in front of the entries.
  package func entries(limit: Int, nameLimit: Int, ratioLimit: Int) throws -> [String: ZipArchive.Entry] {
    var entries: [String: ZipArchive.Entry] = [:]
    var places: [Place] = []
    for listed in try listed(limit: limit, nameLimit: nameLimit, ratioLimit: ratioLimit) {
      let entry = ZipArchive.Entry(
        name: listed.name, isDeflated: listed.isDeflated, crc: listed.crc, count: listed.count,
        range: try range(of: listed))
      guard entries.updateValue(entry, forKey: listed.name) == nil else {
        throw damaged("it has two entries \(listed.name)")
      }
      places.append((listed.name, listed.header..<entry.range.upperBound))
    }
    try checkOverlap(places)
    return entries
  }

  /// Reads the list alone, in its order. Names are made of the bytes as UTF-8, or where they are none as Latin-1.
  package func listed(limit: Int, nameLimit: Int, ratioLimit: Int) throws -> [Listed] {
    guard count <= limit else {
      throw InterchangeError(path: reader.path, problem: .overLimit("\(count) entries in a zip file"))
    }
    let list = LittleEndianBytes(try reader.bytes(range))
    var entries: [Listed] = []
    entries.reserveCapacity(count)
    var position = 0
    for _ in 0..<count {
      guard position + 46 <= list.count, list.uint32(position) == 0x0201_4B50 else {
        throw damaged("its list of contents ends too early")
      }
      let nameCount = Int(list.uint16(position + 28))
      let extraStart = position + 46 + nameCount
      let next = extraStart + Int(list.uint16(position + 30)) + Int(list.uint16(position + 32))
      guard next <= list.count, nameCount <= nameLimit else {
        throw damaged("an entry has a name that cannot be read")
      }
      let letters = list.bytes[position + 46..<extraStart]
      let name =
        String(validating: letters, as: UTF8.self)
        ?? String(String.UnicodeScalarView(letters.map { Unicode.Scalar($0) }))
      let entry = try entry(name, nameCount, list, position, extra: extraStart..<next)
      guard !entry.isDeflated || entry.count <= ratioLimit * entry.packed else {
        throw InterchangeError(
          path: reader.path,
          problem: .overLimit("\(name) would unpack from \(entry.packed) bytes to \(entry.count)"))
      }
      entries.append(entry)
      position = next
    }
    guard position == list.count else { throw damaged("something stands behind its list of contents") }
    return entries
  }

  /// Checks that no two entries share bytes, as far as the list alone shows it.
  package func checkOverlap(_ entries: [Listed]) throws {
    try checkOverlap(entries.map { ($0.name, $0.header..<$0.header + 30 + $0.nameCount + $0.packed) })
  }

  private func entry(
    _ name: String, _ nameCount: Int, _ list: LittleEndianBytes, _ position: Int, extra: Range<Int>
  ) throws -> Listed {
    let (flags, method) = (list.uint16(position + 8), list.uint16(position + 10))
    guard flags & 1 == 0, method == 0 || method == 8 else {
      throw InterchangeError(
        path: reader.path,
        problem: .unsupported(
          "\(name) is \(flags & 1 == 1 ? "encrypted" : "packed by method \(method)"), and only entries that are "
            + "stored or deflated are read. Pack it again."))
    }
    var sizes = [24, 20, 42].map { UInt64(list.uint32(position + $0)) }  // plain, packed, place
    try fill(&sizes, from: list, extra)
    let limit = UInt64(range.lowerBound)
    guard sizes[0] <= UInt64(Int.max), sizes[1] <= limit, sizes[2] <= limit, limit - sizes[2] >= 30 else {
      throw damaged("\(name) is not in the file")
    }
    guard method == 8 || sizes[0] == sizes[1] else { throw damaged("\(name) has two sizes") }
    return Listed(
      name: name, isDeflated: method == 8, crc: list.uint32(position + 16), count: Int(sizes[0]),
      packed: Int(sizes[1]), header: Int(sizes[2]), nameCount: nameCount)
  }

  /// Where an entry's bytes stand in the file, by the header in front of them, which must agree with the list.
  package func range(of entry: Listed) throws -> Range<Int> {
    let local = LittleEndianBytes(try reader.bytes(entry.header..<entry.header + 30))
    let start = entry.header + 30 + Int(local.uint16(26)) + Int(local.uint16(28))
    guard local.uint32(0) == 0x0403_4B50, local.uint16(8) == (entry.isDeflated ? 8 : 0),
      Int(local.uint16(26)) == entry.nameCount, start <= range.lowerBound - entry.packed,
      try nameMatches(entry)
    else { throw damaged("\(entry.name) is not where the list of contents says") }
    return start..<start + entry.packed
  }

  private func nameMatches(_ entry: Listed) throws -> Bool {
    let start = entry.header + 30
    let letters = try reader.bytes(start..<start + entry.nameCount)
    if letters.elementsEqual(entry.name.utf8) { return true }
    return String(validating: letters, as: UTF8.self) == nil
      && letters.elementsEqual(entry.name.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
  }

  /// Numbers that do not fit into 32 bits stand in a zip64 field, in this order.
  private func fill(_ sizes: inout [UInt64], from list: LittleEndianBytes, _ extra: Range<Int>) throws {
    guard sizes.contains(0xFFFF_FFFF) else { return }
    var position = extra.lowerBound
    while position + 4 <= extra.upperBound {
      let end = position + 4 + Int(list.uint16(position + 2))
      guard end <= extra.upperBound else { break }
      if list.uint16(position) == 1 {
        position += 4
        for index in sizes.indices where sizes[index] == 0xFFFF_FFFF && position + 8 <= end {
          sizes[index] = list.uint64(position)
          position += 8
        }
        return
      }
      position = end
    }
    throw damaged("an entry lacks its zip64 sizes")
  }

  /// An entry's header and data.
  private typealias Place = (name: String, range: Range<Int>)

  /// Entries that share bytes unpack to more than their file could hold (Fifield 2019, "A better zip bomb").
  private func checkOverlap(_ places: [Place]) throws {
    let sorted = places.sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (first, second) in zip(sorted, sorted.dropFirst())
    where second.range.lowerBound < first.range.upperBound {
      throw damaged("its entries \(first.name) and \(second.name) share bytes")
    }
  }
}

/// Numbers in bytes, little-endian. The caller has checked that they are there.
package struct LittleEndianBytes {
  package let bytes: [UInt8]
  package var count: Int { bytes.count }

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  private func load<Value: FixedWidthInteger & BitwiseCopyable>(_ place: Int, as type: Value.Type) -> Value {
    precondition(
      place >= 0 && place + MemoryLayout<Value>.size <= bytes.count, "byte \(place) of \(bytes.count)")
    return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: type)) }
  }

  package func uint16(_ place: Int) -> UInt16 { load(place, as: UInt16.self) }
  package func uint32(_ place: Int) -> UInt32 { load(place, as: UInt32.self) }
  package func uint64(_ place: Int) -> UInt64 { load(place, as: UInt64.self) }
}
