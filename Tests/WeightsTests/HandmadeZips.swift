import Foundation
import TestSupport
@testable import Files

/// A zip file of stored entries.
func zipFile(_ entries: [(String, [UInt8])]) throws -> [UInt8] {
  var result: [UInt8] = []
  try withFolder { folder in
    let path = joined(folder, "x.zip")
    try writeFile(path) { writer in
      var zip = ZipWriter(writer, path: path)
      for (name, content) in entries { try zip.add(name, content) }
      try zip.finish()
    }
    result = try bytes(at: path)
  }
  return result
}

/// Zip files made byte by byte, legal or not. Their entries are deflated, which ``ZipWriter`` does not write.
struct HandmadeZip {
  /// What stands in front of an entry.
  static func header(_ name: String, packed: Int, count: Int, crc: UInt32 = 0, extra: [UInt8] = []) -> [UInt8]
  {
    little(UInt32(0x0403_4B50)) + facts(name, packed, count, crc, extra.count) + Array(name.utf8) + extra
  }

  /// A line of the list of contents.
  static func listed(_ name: String, packed: Int, count: Int, crc: UInt32 = 0, at place: Int) -> [UInt8] {
    little(UInt32(0x0201_4B50)) + little(UInt16(20)) + facts(name, packed, count, crc, 0)
      + [UInt8](repeating: 0, count: 10) + little(UInt32(place)) + Array(name.utf8)
  }

  private static func facts(_ name: String, _ packed: Int, _ count: Int, _ crc: UInt32, _ extra: Int)
    -> [UInt8]
  {
    little(UInt16(20)) + little(UInt16(0)) + little(UInt16(8)) + little(UInt32(0)) + little(crc)
      + little(UInt32(packed)) + little(UInt32(count)) + little(UInt16(name.utf8.count))
      + little(UInt16(extra))
  }

  /// Entries, their list and the end record.
  static func file(_ entries: [UInt8], _ list: [[UInt8]]) -> [UInt8] {
    let lines = list.flatMap { $0 }
    return entries + lines + little(UInt32(0x0605_4B50)) + little(UInt32(0)) + little(UInt16(list.count))
      + little(UInt16(list.count)) + little(UInt32(lines.count)) + little(UInt32(entries.count)) + [0, 0]
  }

  /// One entry `x/data.pkl`.
  static func file(_ packed: [UInt8], count: Int, crc: UInt32) -> [UInt8] {
    let name = "x/data.pkl"
    return file(
      header(name, packed: packed.count, count: count, crc: crc) + packed,
      [listed(name, packed: packed.count, count: count, crc: crc, at: 0)])
  }

  /// Entries of which each has the next one's header in a stored block of its data, and then the same data as that: all
  /// end with the same zeros (Fifield 2019, "quoted overlap").
  static func quoting(entries: Int, repeats: Int) -> [UInt8] {
    let (kernel, zeros) = zeros(repeats: repeats)
    var (packed, count) = (kernel.count, zeros)
    var bytes = kernel
    var ends: [(name: String, packed: Int, count: Int, fromEnd: Int)] = []
    for number in (0..<entries).reversed() {
      let name = number == 0 ? "x/data.pkl" : "x/data/\(number)"
      let header = header(name, packed: packed, count: count)
      bytes = header + bytes
      ends.append((name, packed, count, bytes.count))
      guard number > 0 else { break }
      let quote = [0] + little(UInt16(header.count)) + little(~UInt16(header.count))
      bytes = quote + bytes
      packed += quote.count + header.count
      count += header.count
    }
    return file(
      bytes,
      ends.reversed().map {
        listed($0.name, packed: $0.packed, count: $0.count, at: bytes.count - $0.fromEnd)
      })
  }

  /// Zeros as deflate packs them most tightly: a block with fixed codes, one zero and then repeats of 258 bytes
  /// (length code 285, distance code 0), about 13 bits each.
  static func zeros(repeats: Int) -> (packed: [UInt8], count: Int) {
    var bits = BitWriter()
    bits.put(0b011, 3)  // the last block, fixed codes
    bits.putCode(0x30, 8)  // literal 0
    for _ in 0..<repeats {
      bits.putCode(0b1100_0101, 8)  // length 258
      bits.putCode(0, 5)  // distance 1
    }
    bits.putCode(0, 7)  // the block's end
    return (bits.bytes, 1 + repeats * 258)
  }

  private struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var used = 8

    mutating func put(_ value: Int, _ count: Int) {
      for bit in 0..<count { put(bit: value >> bit & 1) }
    }
    /// Huffman codes stand with their highest bit first.
    mutating func putCode(_ value: Int, _ count: Int) {
      for bit in (0..<count).reversed() { put(bit: value >> bit & 1) }
    }
    private mutating func put(bit: Int) {
      if used == 8 {
        bytes.append(0)
        used = 0
      }
      bytes[bytes.count - 1] |= UInt8(bit << used)
      used += 1
    }
  }
}
