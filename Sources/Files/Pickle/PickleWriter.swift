/// Writes the few kinds of values that exported weights are made of.
package struct PickleWriter {
  package private(set) var bytes: [UInt8]

  package init(version: UInt8) { bytes = [0x80, version] }

  package mutating func mark() { code("(") }
  package mutating func tuple() { code("t") }
  package mutating func call() { code("R") }
  package mutating func setItems() { code("u") }
  package mutating func build() { code("b") }
  package mutating func persistentIdentity() { code("Q") }
  package mutating func emptyDictionary() { code("}") }
  package mutating func emptyTuple() { code(")") }
  package mutating func end() { code(".") }
  package mutating func none() { code("N") }

  package mutating func write(_ value: Bool) { bytes.append(value ? 0x88 : 0x89) }

  package mutating func write(_ value: Int) {
    if let small = Int32(exactly: value) {
      code("J")
      bytes += little(small)
    } else {
      bytes += [0x8A, 8] + little(Int64(value))
    }
  }

  package mutating func write(_ text: String) {
    code("X")
    bytes += little(UInt32(text.utf8.count)) + Array(text.utf8)
  }

  package mutating func write(_ values: [Int]) {
    mark()
    for value in values { write(value) }
    tuple()
  }

  package mutating func global(_ module: String, _ name: String) {
    code("c")
    bytes += Array("\(module)\n\(name)\n".utf8)
  }

  package mutating func raw(_ byte: UInt8) { bytes.append(byte) }

  /// The prefix of a number of bytes, which must follow after ``take()``.
  package mutating func bytesHeader(_ count: UInt32) {
    code("B")
    bytes += little(count)
  }

  /// The output since the last call.
  package mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  private mutating func code(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }
}
