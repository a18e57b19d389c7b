/// A field of all records. Nothing is stored until a record has it.
struct COCOColumn<Value: Sendable>: Sendable {
  private var values: [Value] = []
  private let missing: Value
  /// Values a record.
  private let width: Int

  init(missing: Value, width: Int = 1) { (self.missing, self.width) = (missing, width) }

  var isEmpty: Bool { values.isEmpty }

  subscript(_ record: Int, _ place: Int = 0) -> Value {
    let index = record * width + place
    return index < values.count ? values[index] : missing
  }

  /// Records are set in ascending order; the last one may be set again.
  mutating func set(_ value: Value, _ record: Int, _ place: Int = 0) {
    let index = record * width + place
    // All values of a record at once, and those of the records without.
    while values.count <= index { values.append(contentsOf: repeatElement(missing, count: width)) }
    values[index] = value
  }
}

/// Bytes of any number for each record.
struct COCOBlobs: Sendable {
  private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []

  /// Begins those of a record, and drops what it had before.
  mutating func begin(_ record: Int) {
    while ends.count < record { ends.append(bytes.count) }
    bytes.removeLast(bytes.count - start(record))
    ends.removeLast(ends.count - record)
  }

  private func start(_ record: Int) -> Int {
    record == 0 ? 0 : record <= ends.count ? ends[record - 1] : bytes.count
  }

  /// Those of the last record that began reach to the end.
  subscript(_ record: Int) -> Range<Int> {
    guard record <= ends.count else { return bytes.count..<bytes.count }
    return start(record)..<(record < ends.count ? ends[record] : bytes.count)
  }

  mutating func append(_ byte: UInt8) { bytes.append(byte) }
  mutating func append(contentsOf more: [UInt8]) { bytes.append(contentsOf: more) }

  // MARK: - Numbers

  private static let isRaw: UInt64 = 1
  private static let isEnd: UInt64 = 3

  /// Coordinates are written in hundredths, which take two or three bytes; any other number is kept as it is.
  mutating func append(number: Double) {
    let hundredths = (number * 100).rounded()
    if abs(hundredths) < 1e12, hundredths / 100 == number {
      let whole = Int64(hundredths)
      append(code: UInt64(bitPattern: (whole << 1) ^ (whole >> 63)) << 1)
    } else {
      append(code: Self.isRaw)
      withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
  }

  mutating func appendEnd() { append(code: Self.isEnd) }

  /// A whole number of 7 bits a byte, the low ones first.
  mutating func append(code: UInt64) {
    var rest = code
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  func code(at place: inout Int) -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = bytes[place]
      place += 1
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
      shift += 7
    }
  }

  /// Numbers up to an end mark, or up to `end`.
  func numbers(from place: inout Int, to end: Int) -> [Double] {
    var result: [Double] = []
    while place < end {
      let code = code(at: &place)
      if code == Self.isEnd { break }
      if code == Self.isRaw {
        var bits: UInt64 = 0
        for byte in 0..<8 { bits |= UInt64(bytes[place + byte]) << UInt64(8 * byte) }
        place += 8
        result.append(Double(bitPattern: bits))
      } else {
        let folded = code >> 1
        let whole = Int64(bitPattern: folded >> 1) ^ -Int64(bitPattern: folded & 1)
        result.append(Double(whole) / 100)
      }
    }
    return result
  }
}
