/// The bytes a pickle is read from: memory, or a part of a file of which one block is held.
package final class PickleSource {
  package let path: String
  package let count: Int
  private let reader: FileReader?
  /// Where byte 0 stands in the file.
  private let start: Int
  private var block: [UInt8]
  private var blockStart = 0

  private static let blockSize = 1 << 16

  package init(_ bytes: [UInt8], path: String) {
    self.path = path
    count = bytes.count
    block = bytes
    reader = nil
    start = 0
  }

  package init(_ reader: FileReader, _ range: Range<Int>) {
    path = reader.path
    count = range.count
    block = []
    self.reader = reader
    start = range.lowerBound
  }

  /// The caller has checked that the place is there.
  package func byte(_ place: Int) throws -> UInt8 {
    let index = place - blockStart
    if index >= 0, index < block.count { return block[index] }
    guard let reader else { preconditionFailure("byte \(place) of \(count)") }
    let end = min(place + Self.blockSize, count)
    block = try reader.bytes(start + place..<start + end)
    blockStart = place
    return block[0]
  }

  /// A copy; the caller has checked that the range is there and not too long.
  package func bytes(_ range: Range<Int>) throws -> [UInt8] {
    let (first, last) = (range.lowerBound - blockStart, range.upperBound - blockStart)
    if first >= 0, last <= block.count { return Array(block[first..<last]) }
    if let reader { return try reader.bytes(start + range.lowerBound..<start + range.upperBound) }
    return Array(block[range])
  }

  /// The bytes that a text stands for, each written as the character of its number; nil where it stands for none.
  package func latin1(_ range: Range<Int>) throws -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    var lead: UInt8?
    for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
      for byte in try self.bytes(start..<min(start + 1 << 20, range.upperBound)) {
        switch (lead, byte) {
        case (nil, 0..<0x80): bytes.append(byte)
        case (nil, 0xC2...0xC3): lead = byte
        case (let first?, 0x80..<0xC0):
          bytes.append((first & 3) << 6 | byte & 0x3F)
          lead = nil
        default: return nil
        }
      }
    }
    return lead == nil ? bytes : nil
  }
}
