import Foundation

/// Text for names of files whose bytes are no UTF-8, as in archives of old systems: `caf\xE9.jpg` for the Latin-1
/// bytes of café.jpg. The bytes can be recovered.
///
/// A byte that belongs to no character is written `\x` and two hexadecimal digits. So that no other name has the
/// same text, the backslash of a name in which such an escape occurs by itself is written `\x5C`.
package enum FileName {
  /// The text of a name's bytes.
  package static func text(_ bytes: some Collection<UInt8>) -> String {
    let bytes = Array(bytes)
    if let text = String(validating: bytes, as: UTF8.self), !bytes.contains(backslash) { return text }
    var text = ""
    var at = 0
    while at < bytes.count {
      let lengths = bytes[at] < 0x80 ? 1...1 : 2...4
      let character = lengths.lazy.filter { at + $0 <= bytes.count }.compactMap { length in
        String(validating: bytes[at..<(at + length)], as: UTF8.self)
      }.first
      if let character, escapedByte(bytes[at...]) == nil {
        text += character
        at += character.utf8.count
      } else {
        text += "\\x" + (bytes[at] < 16 ? "0" : "") + String(bytes[at], radix: 16, uppercase: true)
        at += 1
      }
    }
    return text
  }

  /// The bytes of a name's text.
  package static func bytes(_ text: String) -> [UInt8] {
    guard text.utf8.contains(backslash) else { return Array(text.utf8) }
    var rest = Array(text.utf8)[...]
    var bytes: [UInt8] = []
    while let first = rest.first {
      let escaped = escapedByte(rest)
      bytes.append(escaped ?? first)
      rest = rest.dropFirst(escaped == nil ? 1 : 4)
    }
    return bytes
  }

  private static let backslash = UInt8(ascii: "\\")

  /// The byte that an escape at the start of `text` stands for; nil if there is none.
  private static func escapedByte(_ text: ArraySlice<UInt8>) -> UInt8? {
    let escape = text.prefix(4)
    guard escape.count == 4, escape.starts(with: [backslash, UInt8(ascii: "x")]) else { return nil }
    let digits = String(decoding: escape.dropFirst(2), as: UTF8.self)
    guard digits == digits.uppercased(), let byte = UInt8(digits, radix: 16),
      byte >= 0x80 || byte == backslash
    else { return nil }
    return byte
  }
}

/// The path of a file as the system takes it: a folder, as the user gives it, and the ``FileName`` of something
/// in it.
package struct FilePath: Sendable {
  private let bytes: [CChar]
  /// For messages.
  package let text: String

  /// - Parameter path: As the user gives it.
  package init(_ path: String) {
    bytes = Array(path.utf8CString)
    text = path
  }

  /// - Parameters:
  ///   - folder: As the user gives it.
  ///   - name: The text of a path below it, or of an absolute one.
  package init(_ folder: String, _ name: String) {
    let isAbsolute = name.utf8.first == UInt8(ascii: "/")
    let start = isAbsolute ? "" : folder + "/"
    bytes = (Array(start.utf8) + FileName.bytes(name)).map { CChar(bitPattern: $0) } + [0]
    text = start + name
  }

  /// The path as a C string, which is valid until `body` returns.
  package func withCString<Value>(_ body: (UnsafePointer<CChar>) throws -> Value) rethrows -> Value {
    try bytes.withUnsafeBufferPointer { buffer in
      guard let start = buffer.baseAddress else { preconditionFailure("a path without its end") }
      return try body(start)
    }
  }
}
