/// A MATLAB file of version 5 (MathWorks, "MAT-File Format", level 5): a header of 128 bytes, then an element for each
/// variable, plain or packed by zlib. Arrays of numbers and structures of such arrays and texts are read.
package struct MatFile {
  /// A variable; its numbers are read when they are needed.
  package struct Variable {
    package let name: String
    package let shape: [Int]
    /// Its element in the file, and whether that is packed.
    fileprivate let range: Range<Int>
    fileprivate let isPacked: Bool
  }

  /// In the order of the file.
  package private(set) var variables: [Variable] = []
  private let reader: FileReader
  private let limits: ArrayLimits

  private static let variableLimit = 10_000

  /// Reads the names and shapes of the variables.
  ///
  /// - Throws: ``InterchangeError``, ``FileError``.
  package init(_ reader: FileReader, limits: ArrayLimits = ArrayLimits()) throws {
    (self.reader, self.limits) = (reader, limits)
    try checkHeader()
    var position = 128
    while position < reader.count {
      guard reader.count - position >= 8 else { throw damaged("it ends in the middle of an element") }
      let tag = LittleEndianBytes(try reader.bytes(position..<position + 8))
      let (type, count) = (tag.uint32(0), Int(tag.uint32(4)))
      guard type == MatElement.matrix || type == MatElement.compressed else {
        throw damaged("an element has the type \(type)")
      }
      guard count <= reader.count - position - 8 else { throw damaged("it ends in the middle of an element") }
      guard variables.count < Self.variableLimit else {
        throw InterchangeError(
          path: reader.path, problem: .overLimit("more than \(Self.variableLimit) variables"))
      }
      let range = position + 8..<position + 8 + count
      let isPacked = type == MatElement.compressed
      let matrix = try matrix(range, isPacked: isPacked)
      variables.append(
        Variable(name: matrix.name, shape: matrix.shape, range: range, isPacked: isPacked))
      position = range.upperBound
    }
  }

  private func damaged(_ what: String) -> InterchangeError {
    InterchangeError(path: reader.path, problem: .damaged("as a MATLAB file, \(what)"))
  }

  private func checkHeader() throws {
    func unsupported(_ what: String) -> InterchangeError {
      InterchangeError(path: reader.path, problem: .unsupported(what))
    }
    guard reader.count >= 128 else { throw damaged("it is shorter than its header") }
    let header = try reader.bytes(0..<128)
    if header.starts(with: "MATLAB 7.3".utf8) || header.starts(with: [0x89, 0x48, 0x44, 0x46]) {
      throw unsupported("this is a MATLAB file of version 7.3 (HDF5), which is not read; save it with '-v7'")
    }
    guard header.starts(with: "MATLAB".utf8) else {
      throw damaged("it does not begin as one of version 5 does")
    }
    guard header[126] == UInt8(ascii: "I"), header[127] == UInt8(ascii: "M") else {
      throw unsupported(
        "this MATLAB file was written on a big-endian machine, which is not read; save it on another")
    }
    guard header[125] == 1 else { throw damaged("its version is \(header[125]).\(header[124]), not 1.0") }
  }

  /// The element's head.
  private func matrix(_ range: Range<Int>, isPacked: Bool) throws -> MatElement.Matrix {
    let part = try PartReader(reader, range, isPacked ? .zlib : .stored, name: "a variable")
    var element = MatElement(part, path: reader.path, count: isPacked ? nil : range.count)
    return try element.matrixHead()
  }

  /// An array of numbers; nil where no variable has this name.
  ///
  /// - Throws: ``InterchangeError`` for a variable of another kind too.
  package func array(_ name: String) throws -> NumberArray? {
    guard let variable = variables.first(where: { $0.name == name }) else { return nil }
    let part = try PartReader(reader, variable.range, variable.isPacked ? .zlib : .stored, name: name)
    var element = MatElement(part, path: reader.path, count: variable.isPacked ? nil : variable.range.count)
    let head = try element.matrixHead()
    return try element.numbers(of: head, reader, limits)
  }

  /// The fields of a structure or an array of structures, each with its values as texts and lists of numbers; nil where
  /// no variable has this name.
  package func structures(_ name: String) throws -> [[String: MatValue]]? {
    guard let variable = variables.first(where: { $0.name == name }) else { return nil }
    let part = try PartReader(reader, variable.range, variable.isPacked ? .zlib : .stored, name: name)
    var element = MatElement(part, path: reader.path, count: variable.isPacked ? nil : variable.range.count)
    let head = try element.matrixHead()
    return try element.structures(of: head, reader, limits)
  }
}

/// A field of a structure.
package enum MatValue: Equatable, Sendable {
  case text(String)
  case numbers([Int])
  /// Read over: a cell, a structure, numbers that are not whole.
  case other
}
