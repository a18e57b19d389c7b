/// The element type of an array of numbers in a file, little-endian there.
package struct NumberType: Equatable, Sendable, CustomStringConvertible {
  package enum Kind: Sendable {
    case signed, unsigned, float, bool
  }

  package let kind: Kind
  /// Bytes of an element: 1, 2, 4 or 8.
  package let size: Int

  package init(_ kind: Kind, size: Int) {
    precondition([1, 2, 4, 8].contains(size), "elements of \(size) bytes")
    (self.kind, self.size) = (kind, size)
  }

  package static let uint8 = NumberType(.unsigned, size: 1)

  /// numpy's name of it, such as `uint8`.
  package var description: String {
    switch kind {
    case .signed: "int\(8 * size)"
    case .unsigned: "uint\(8 * size)"
    case .float: "float\(8 * size)"
    case .bool: "bool"
    }
  }

  /// The elements of `bytes`, a whole number of them; nil where one is no whole number or too large for an Int.
  package func wholeNumbers(_ bytes: [UInt8]) -> [Int]? {
    precondition(bytes.count.isMultiple(of: size), "\(bytes.count) bytes of \(self)")
    var numbers: [Int] = []
    numbers.reserveCapacity(bytes.count / size)
    for start in stride(from: 0, to: bytes.count, by: size) {
      guard let number = wholeNumber(bytes[start..<start + size]) else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  private func wholeNumber(_ bytes: ArraySlice<UInt8>) -> Int? {
    let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    switch kind {
    case .unsigned, .bool: return Int(exactly: bits)
    case .signed:
      let shift = UInt64(64 - 8 * size)
      return Int(Int64(bitPattern: bits << shift) >> Int64(shift))
    case .float where size == 8: return Int(exactly: Double(bitPattern: bits))
    case .float where size == 4: return Int(exactly: Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case .float: return nil
    }
  }
}

/// An array of numbers: where it stands in its file, or its bytes where the file packs them.
package struct NumberArray: Sendable {
  package enum Storage: Sendable {
    /// Row by row or column by column from this byte on.
    case file(FileReader, Int)
    case memory([UInt8])
  }

  /// Its name in the file.
  package let name: String
  package let type: NumberType
  package let shape: [Int]
  /// Whether the first index moves fastest (Fortran, MATLAB), not the last.
  package let isColumnMajor: Bool
  package let storage: Storage

  /// Elements. The product fits: whoever made the array has checked it.
  package var count: Int { shape.reduce(1, *) }

  /// All its elements in the order of the file; nil where one is no whole number.
  package func wholeNumbers() throws -> [Int]? {
    switch storage {
    case .memory(let bytes): type.wholeNumbers(bytes)
    case .file(let reader, let start):
      type.wholeNumbers(try reader.bytes(start..<start + count * type.size))
    }
  }
}

/// How much memory an array in a file may take, so that a small file cannot take much.
package struct ArrayLimits: Sendable {
  /// Bytes of an array that has to be unpacked.
  package var bytes = 8 << 30
  /// An unpacked array may have so many times the bytes of its file, and ``allowance`` more.
  package var ratio = 64
  package var allowance = 64 << 20

  package init() {}

  /// The bytes of an array of this shape.
  ///
  /// - Throws: ``InterchangeError`` where that is no number of bytes that anything could hold.
  package static func byteCount(_ shape: [Int], _ type: NumberType, name: String, path: String) throws -> Int
  {
    var count = type.size
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard size >= 0, !overflow, product < Int.max / 2 else {
        throw InterchangeError(
          path: path, problem: .damaged("\(name) has the impossible shape \(shape)"))
      }
      count = product
    }
    return count
  }

  /// Checks the bytes that an array unpacks to.
  package func check(_ count: Int, of file: FileReader, name: String) throws {
    let (scaled, overflow) = file.count.multipliedReportingOverflow(by: ratio)
    let most = overflow ? bytes : min(bytes, scaled + min(allowance, Int.max - scaled))
    guard count <= most else {
      throw InterchangeError(
        path: file.path,
        problem: .overLimit(
          "\(name) unpacks to \(short(Double(count))) bytes, over the limit of \(short(Double(most))) for a file of "
            + "this size"))
    }
  }
}
