/// Reads the little JSON that a safetensors header is made of: objects of strings, whole numbers and lists of
/// them. Strict, without recursion, and duplicate names are errors; Foundation's parser drops them silently.
package struct HeaderScanner {
  /// The expected or wrong text, and its position.
  package struct Failure: Error {
    package let what: String
    package let byte: Int
    /// The name, if the failure is that it stands twice.
    package var duplicate: String?
  }

  private let bytes: [UInt8]
  private var position = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  package func failure(_ what: String) -> Failure { Failure(what: what, byte: position) }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  /// Takes the next character if it is `character`, spaces before it too.
  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard take(character) else { throw failure("'\(character)' is missing") }
  }

  /// Calls `member` with each name, the scanner standing before its value.
  package mutating func object(_ member: (inout HeaderScanner, String) throws -> Void) throws {
    var names: Set<String> = []
    try expect("{")
    if take("}") { return }
    repeat {
      let start = position
      let name = try string()
      guard names.insert(name).inserted else {
        throw Failure(what: "a second \(name)", byte: start, duplicate: name)
      }
      try expect(":")
      try member(&self, name)
    } while take(",")
    try expect("}")
  }

  /// A list of whole numbers from 0 on, at most `limit` of them.
  package mutating func integers(limit: Int) throws(Failure) -> [Int] {
    var values: [Int] = []
    try expect("[")
    if take("]") { return [] }
    repeat {
      guard values.count < limit else { throw failure("a list of more than \(limit) numbers") }
      values.append(try integer())
    } while take(",")
    try expect("]")
    return values
  }

  private mutating func integer() throws(Failure) -> Int {
    skipSpace()
    let start = position
    while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
    let digits = bytes[start..<position]
    guard let value = Int(String(decoding: digits, as: UTF8.self)), digits.count == 1 || digits.first != 0x30
    else { throw Failure(what: "no whole number below 2^63", byte: start) }
    return value
  }

  package mutating func string() throws(Failure) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw failure("a control character in a string") }
      position += 1
      if byte == UInt8(ascii: "\\") { text += Array(String(try escape()).utf8) } else { text.append(byte) }
    }
    try expect("\"")
    guard let string = String(validating: text, as: UTF8.self) else { throw failure("invalid UTF-8") }
    return string
  }

  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard let byte = next else { throw failure("an unfinished string") }
    position += 1
    switch Unicode.Scalar(byte) {
    case "\"", "\\", "/": return Unicode.Scalar(byte)
    case "b": return "\u{8}"
    case "f": return "\u{C}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u": return try escapedScalar()
    default: throw failure("an unknown escape")
    }
  }

  /// After `\u`: one UTF-16 unit, or two that form a pair.
  private mutating func escapedScalar() throws(Failure) -> Unicode.Scalar {
    let high = try hexUnit()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard (0xD800..<0xDC00).contains(high), bytes[position...].starts(with: [0x5C, 0x75]) else {
      throw failure("half a surrogate pair")
    }
    position += 2
    let low = try hexUnit()
    guard (0xDC00..<0xE000).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (UInt32(high) - 0xD800) << 10 + UInt32(low) - 0xDC00)
    else { throw failure("half a surrogate pair") }
    return scalar
  }

  private mutating func hexUnit() throws(Failure) -> UInt16 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw failure("an escape without four hexadecimal digits") }
    position += 4
    return unit
  }

  /// Only spaces may follow.
  package mutating func end() throws(Failure) {
    skipSpace()
    guard position == bytes.count else { throw failure("something after the end") }
  }
}
