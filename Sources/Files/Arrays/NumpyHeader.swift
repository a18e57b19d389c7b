/// The header of a `.npy` file, versions 1.0 to 3.0 (numpy.lib.format): the magic bytes, the version, the length of
/// the rest, and the text of a Python dictionary of the type, the order and the shape.
package struct NumpyHeader: Equatable, Sendable {
  package let type: NumberType
  package let shape: [Int]
  package let isColumnMajor: Bool
  /// Bytes before the first element.
  package let byteCount: Int

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let textLimit = 1 << 16
  private static let rankLimit = 32

  /// - Throws: ``InterchangeError``.
  package init(_ part: PartReader, name: String, path: String) throws {
    func fail(_ problem: InterchangeError.Problem) -> InterchangeError { .init(path: path, problem: problem) }
    let start = try part.bytes(8)
    guard start.starts(with: Self.magic), (1...3).contains(start[6]), start[7] == 0 else {
      throw fail(.damaged("\(name) is no numpy array"))
    }
    let lengthBytes = start[6] == 1 ? 2 : 4
    let length = try part.bytes(lengthBytes).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= Self.textLimit else {
      throw fail(.overLimit("the header of \(name) has \(length) bytes"))
    }
    let text = try part.bytes(length)
    var scanner = NumpyHeaderScanner(text)
    guard let fields = scanner.fields(rankLimit: Self.rankLimit) else {
      throw fail(.damaged("the header of \(name) is none of numpy's"))
    }
    guard let type = NumberType(numpy: fields.type) else {
      throw fail(
        .unsupported(
          "\(name) holds \(fields.type.contains("O") ? "Python objects" : "elements of the type \(fields.type)"), "
            + "and only arrays of numbers are read"))
    }
    (self.type, shape, isColumnMajor) = (type, fields.shape, fields.isColumnMajor)
    byteCount = 8 + lengthBytes + length
  }
}

extension NumberType {
  /// From numpy's description, such as `|u1` or `<i8`; nil for big-endian and all other types.
  package init?(numpy text: String) {
    let letters = Array(text.utf8)
    guard letters.count == 3, let size = Int(String(decoding: letters[2...], as: UTF8.self)),
      [1, 2, 4, 8].contains(size),
      letters[0] == UInt8(ascii: "<") || (size == 1 && letters[0] != UInt8(ascii: ">"))
    else { return nil }
    switch letters[1] {
    case UInt8(ascii: "u"): self.init(.unsigned, size: size)
    case UInt8(ascii: "i"): self.init(.signed, size: size)
    case UInt8(ascii: "f") where size > 1: self.init(.float, size: size)
    case UInt8(ascii: "b") where size == 1: self.init(.bool, size: 1)
    default: return nil
    }
  }
}

/// Reads `{'descr': '|u1', 'fortran_order': False, 'shape': (5, 28, 28), }`: the three keys in any order, each once.
private struct NumpyHeaderScanner {
  struct Fields {
    var type: String
    var isColumnMajor: Bool
    var shape: [Int]
  }

  private let text: [UInt8]
  private var position = 0

  init(_ text: [UInt8]) { self.text = text }

  private var next: UInt8? { position < text.count ? text[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    while let byte = next, byte == 0x20 || byte == 0x0A { position += 1 }
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  /// Nil where it is anything else.
  mutating func fields(rankLimit: Int) -> Fields? {
    var type: String?
    var isColumnMajor: Bool?
    var shape: [Int]?
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = string(), take(":") else { return nil }
      switch key {
      case "descr" where type == nil:
        guard let text = string() ?? structure() else { return nil }
        type = text
      case "fortran_order" where isColumnMajor == nil:
        guard let word = word(), ["True", "False"].contains(word) else { return nil }
        isColumnMajor = word == "True"
      case "shape" where shape == nil:
        guard let sizes = sizes(limit: rankLimit) else { return nil }
        shape = sizes
      default: return nil
      }
      if !take(",") {
        guard take("}") else { return nil }
        break
      }
    }
    while let byte = next, byte == 0x20 || byte == 0x0A { position += 1 }
    guard next == nil, let type, let isColumnMajor, let shape else { return nil }
    return Fields(type: type, isColumnMajor: isColumnMajor, shape: shape)
  }

  private mutating func string() -> String? {
    let start = position
    guard take("'") || take("\"") else { return nil }
    let (quote, first) = (text[position - 1], position)
    while let byte = next, byte != quote { position += 1 }
    guard next != nil else {
      position = start
      return nil
    }
    position += 1
    return String(decoding: text[first..<position - 1], as: UTF8.self)
  }

  /// A list of named fields: its text is only for the error.
  private mutating func structure() -> String? {
    guard take("[") else { return nil }
    let start = position - 1
    var depth = 1
    while depth > 0, let byte = next {
      if byte == UInt8(ascii: "[") { depth += 1 }
      if byte == UInt8(ascii: "]") { depth -= 1 }
      position += 1
    }
    return depth == 0 ? String(decoding: text[start..<min(position, start + 40)], as: UTF8.self) : nil
  }

  private mutating func word() -> String? {
    while next == 0x20 { position += 1 }
    let start = position
    while let byte = next, Unicode.Scalar(byte).properties.isAlphabetic, byte < 0x80 { position += 1 }
    return start < position ? String(decoding: text[start..<position], as: UTF8.self) : nil
  }

  private mutating func sizes(limit: Int) -> [Int]? {
    var sizes: [Int] = []
    guard take("(") else { return nil }
    while !take(")") {
      while next == 0x20 { position += 1 }
      let start = position
      while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
      guard let size = Int(String(decoding: text[start..<position], as: UTF8.self)), sizes.count < limit
      else {
        return nil
      }
      sizes.append(size)
      if next == UInt8(ascii: "L") { position += 1 }  // of Python 2
      if !take(",") {
        guard take(")") else { return nil }
        break
      }
    }
    return sizes
  }
}
