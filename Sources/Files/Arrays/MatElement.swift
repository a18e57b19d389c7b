/// Reads one element of a MATLAB file, version 5, in sequence.
struct MatElement {
  static let matrix: UInt32 = 14
  static let compressed: UInt32 = 15

  /// The head of an array.
  struct Matrix {
    /// Class number of the array: 2 structure, 4 text, 6 to 15 numbers.
    var kind: UInt8
    var isComplex: Bool
    var shape: [Int]
    var name: String
  }

  private struct Tag {
    var type: UInt32
    var count: Int
    /// Up to four bytes that stand in the tag itself.
    var small: [UInt8]?
  }

  private let part: PartReader
  private let path: String
  /// Bytes of the array that are not read yet; nil in front of a packed element's own tag.
  private var left: Int?

  private static let rankLimit = 32
  private static let nameLimit = 1024
  /// Fields of a structure, values of all fields, and bytes of a value.
  private static let fieldLimit = 1000
  private static let valueLimit = 1_000_000
  private static let textLimit = 1 << 16

  init(_ part: PartReader, path: String, count: Int?) { (self.part, self.path, left) = (part, path, count) }

  private func damaged(_ what: String) -> InterchangeError {
    InterchangeError(path: path, problem: .damaged("as a MATLAB file, \(what)"))
  }

  private mutating func take(_ count: Int) throws -> [UInt8] {
    guard let left, count >= 0, count <= left else { throw damaged("a variable ends too early") }
    self.left = left - count
    return try part.bytes(count)
  }

  private mutating func skip(_ count: Int) throws {
    guard let left, count >= 0, count <= left else { throw damaged("a variable ends too early") }
    self.left = left - count
    try part.skip(count)
  }

  private mutating func tag() throws -> Tag {
    let bytes = LittleEndianBytes(try take(8))
    let first = bytes.uint32(0)
    guard first >> 16 != 0 else { return Tag(type: first, count: Int(bytes.uint32(4))) }
    let count = Int(first >> 16)
    guard count <= 4 else { throw damaged("a small element has \(count) bytes") }
    return Tag(type: first & 0xFFFF, count: count, small: Array(bytes.bytes[4..<4 + count]))
  }

  /// The bytes of a short element, and the padding behind it.
  private mutating func short(_ tag: Tag, limit: Int) throws -> [UInt8] {
    if let small = tag.small { return small }
    guard tag.count <= limit else {
      throw InterchangeError(path: path, problem: .overLimit("\(tag.count) bytes where few belong"))
    }
    let bytes = try take(tag.count)
    try skipPadding(tag.count)
    return bytes
  }

  /// Elements in an array begin at multiples of 8 bytes; the last one may lack what follows it.
  private mutating func skipPadding(_ count: Int) throws { try skip(min((8 - count % 8) % 8, left ?? 0)) }

  /// Flags, sizes and name.
  mutating func matrixHead() throws -> Matrix {
    if left == nil {
      left = 8
      let own = LittleEndianBytes(try take(8))
      guard own.uint32(0) == Self.matrix else { throw damaged("a packed variable is no array") }
      left = Int(own.uint32(4))
    }
    let flagsTag = try tag()
    let flags = try short(flagsTag, limit: 8)
    guard flagsTag.type == 6, flags.count == 8 else { throw damaged("an array has no flags") }
    let shapeTag = try tag()
    guard shapeTag.type == 5, shapeTag.count.isMultiple(of: 4), shapeTag.count >= 8,
      shapeTag.count <= 4 * Self.rankLimit
    else { throw damaged("an array has no sizes") }
    let shape =
      NumberType(.signed, size: 4).wholeNumbers(try short(shapeTag, limit: 4 * Self.rankLimit)) ?? []
    let nameTag = try tag()
    guard nameTag.type == 1 else { throw damaged("an array has no name") }
    let name = String(decoding: try short(nameTag, limit: Self.nameLimit), as: UTF8.self)
    return Matrix(kind: flags[0], isComplex: flags[1] & 8 != 0, shape: shape, name: name)
  }

  /// The numbers behind the head: their place where they are not packed, else their bytes.
  mutating func numbers(of head: Matrix, _ reader: FileReader, _ limits: ArrayLimits) throws -> NumberArray {
    guard (6...15).contains(head.kind), !head.isComplex else {
      throw InterchangeError(
        path: path, problem: .unsupported("\(head.name) is no array of real numbers, and only these are read")
      )
    }
    let data = try tag()
    guard let type = NumberType(matlab: data.type) else {
      throw damaged("\(head.name) has elements of the type \(data.type)")
    }
    let count = try ArrayLimits.byteCount(head.shape, type, name: head.name, path: path)
    guard data.count == count else {
      throw damaged("\(head.name) has \(data.count) bytes for the shape \(head.shape) of \(type)")
    }
    func array(_ storage: NumberArray.Storage) -> NumberArray {
      NumberArray(name: head.name, type: type, shape: head.shape, isColumnMajor: true, storage: storage)
    }
    if let small = data.small { return array(.memory(small)) }
    guard count <= left ?? 0 else { throw damaged("\(head.name) ends too early") }
    if let place = part.place { return array(.file(reader, place)) }
    try limits.check(count, of: reader, name: head.name)
    return array(.memory(try take(count)))
  }

  /// The structures behind the head.
  mutating func structures(
    of head: Matrix, _ reader: FileReader, _ limits: ArrayLimits
  ) throws -> [[String: MatValue]] {
    try limits.check(left ?? 0, of: reader, name: head.name)
    guard head.kind == 2 else {
      throw InterchangeError(path: path, problem: .unsupported("\(head.name) is no structure"))
    }
    let count = try ArrayLimits.byteCount(head.shape, .uint8, name: head.name, path: path)
    let lengthTag = try tag()
    guard lengthTag.type == 5, lengthTag.count == 4 else { throw damaged("\(head.name) has no field names") }
    let length = NumberType(.signed, size: 4).wholeNumbers(try short(lengthTag, limit: 4))?.first ?? 0
    guard (1...Self.nameLimit).contains(length) else {
      throw damaged("\(head.name) has no field names")
    }
    let namesTag = try tag()
    let letters = try short(namesTag, limit: length * Self.fieldLimit)
    let names = stride(from: 0, to: letters.count - letters.count % length, by: length).map { start in
      String(decoding: letters[start..<start + length].prefix { $0 != 0 }, as: UTF8.self)
    }
    let (values, overflow) = count.multipliedReportingOverflow(by: max(1, names.count))
    guard !overflow, values <= Self.valueLimit else {
      throw InterchangeError(path: path, problem: .overLimit("\(head.name) has \(count) structures"))
    }
    return try (0..<count).map { _ in
      var fields: [String: MatValue] = [:]
      for name in names { fields[name] = try value() }
      return fields
    }
  }

  /// A whole array inside a structure.
  private mutating func value() throws -> MatValue {
    let own = try tag()
    guard own.type == Self.matrix, own.small == nil else { throw damaged("a field is no array") }
    guard own.count > 0 else { return .numbers([]) }
    guard let outer = left, own.count <= outer else { throw damaged("a field ends too early") }
    // The inner array has bytes of its own; what it does not use is passed over.
    left = own.count
    let value = try innerValue()
    try part.skip(left ?? 0)
    left = outer - own.count
    return value
  }

  private mutating func innerValue() throws -> MatValue {
    let head = try matrixHead()
    guard head.kind == 4 || (6...15).contains(head.kind), left ?? 0 >= 8 else { return .other }
    let data = try tag()
    guard data.small != nil || data.count <= Self.textLimit else { return .other }
    let bytes = try short(data, limit: Self.textLimit)
    if head.kind == 4 { return text(bytes, data.type) }
    guard !head.isComplex, let type = NumberType(matlab: data.type), bytes.count.isMultiple(of: type.size),
      let numbers = type.wholeNumbers(bytes)
    else { return .other }
    return .numbers(numbers)
  }

  /// Text of bytes or of UTF-16.
  private func text(_ bytes: [UInt8], _ type: UInt32) -> MatValue {
    switch type {
    case 1, 2, 16: return .text(String(decoding: bytes, as: UTF8.self))
    case 4, 17:
      let units = stride(from: 0, to: bytes.count - 1, by: 2).map {
        UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8
      }
      return .text(String(decoding: units, as: UTF16.self))
    default: return .other
    }
  }
}

extension NumberType {
  /// From the number of a data type in a MATLAB file; nil for types that are no numbers.
  init?(matlab type: UInt32) {
    switch type {
    case 1: self.init(.signed, size: 1)
    case 2: self.init(.unsigned, size: 1)
    case 3: self.init(.signed, size: 2)
    case 4: self.init(.unsigned, size: 2)
    case 5: self.init(.signed, size: 4)
    case 6: self.init(.unsigned, size: 4)
    case 7: self.init(.float, size: 4)
    case 9: self.init(.float, size: 8)
    case 12: self.init(.signed, size: 8)
    case 13: self.init(.unsigned, size: 8)
    default: return nil
    }
  }
}
