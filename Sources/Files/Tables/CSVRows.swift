/// Why a table cannot be read.
package struct TableError: Error, Equatable {
  /// Counted from 1.
  package let line: Int
  package let detail: String

  package init(line: Int, detail: String) { (self.line, self.detail) = (line, detail) }
}

/// The text of a list or a table: UTF-8, perhaps with a byte order mark, which is left out.
///
/// - Throws: ``TableError`` for UTF-16 and for files that are no text.
package func tableText(_ bytes: [UInt8]) throws(TableError) -> ArraySlice<UInt8> {
  if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
    throw TableError(line: 1, detail: "this is UTF-16; save it as UTF-8")
  }
  if let zero = bytes.firstIndex(of: 0) {
    let line = bytes[..<zero].count { $0 == UInt8(ascii: "\n") } + 1
    throw TableError(line: line, detail: "holds a zero byte, so this is no text; save it as UTF-8")
  }
  return bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
}

/// Hands the rows of a table (RFC 4180) to `body`, each with the number of its first line: fields between `separator`,
/// in quotes where they hold one, a quote or a line break. Empty rows are passed over.
///
/// - Throws: ``TableError``, and the errors of `body`.
package func forEachRow(
  of text: ArraySlice<UInt8>, separator: Unicode.Scalar, _ body: (Int, [String]) throws -> Void
) throws {
  let separator = UInt8(ascii: separator)
  let (quote, lineFeed, carriageReturn) = (UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"))
  var (position, line) = (text.startIndex, 1)
  var row: [String] = []
  while position < text.endIndex {
    let first = line
    row.removeAll(keepingCapacity: true)
    var isRowOver = false
    while !isRowOver {
      var field: [UInt8] = []
      if position < text.endIndex, text[position] == quote {
        position += 1
        while true {
          guard position < text.endIndex else {
            throw TableError(line: first, detail: "a quote is opened and not closed")
          }
          let byte = text[position]
          position += 1
          if byte == quote {
            guard position < text.endIndex, text[position] == quote else { break }
            position += 1
          }
          if byte == lineFeed { line += 1 }
          field.append(byte)
        }
      }
      // Behind a closing quote only the separator or the end of the row should stand; other letters are kept.
      while position < text.endIndex, text[position] != separator, text[position] != lineFeed {
        field.append(text[position])
        position += 1
      }
      isRowOver = position == text.endIndex || text[position] == lineFeed
      if isRowOver, field.last == carriageReturn { field.removeLast() }
      row.append(String(decoding: field, as: UTF8.self))
      position += 1
    }
    line += 1
    if row != [""] { try body(first, row) }
  }
}
