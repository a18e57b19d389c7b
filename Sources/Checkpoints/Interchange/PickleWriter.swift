/// Writes the few kinds of values that exported weights are made of.
struct PickleWriter {
  private(set) var bytes: [UInt8]

  init(version: UInt8) { bytes = [0x80, version] }

  mutating func mark() { code("(") }
  mutating func tuple() { code("t") }
  mutating func call() { code("R") }
  mutating func setItems() { code("u") }
  mutating func build() { code("b") }
  mutating func persistentIdentity() { code("Q") }
  mutating func emptyDictionary() { code("}") }
  mutating func emptyTuple() { code(")") }
  mutating func end() { code(".") }
  mutating func none() { code("N") }

  mutating func write(_ value: Bool) { bytes.append(value ? 0x88 : 0x89) }

  mutating func write(_ value: Int) {
    if let small = Int32(exactly: value) {
      code("J")
      bytes += little(small)
    } else {
      bytes += [0x8A, 8] + little(Int64(value))
    }
  }

  mutating func write(_ text: String) {
    code("X")
    bytes += little(UInt32(text.utf8.count)) + Array(text.utf8)
  }

  mutating func write(_ values: [Int]) {
    mark()
    for value in values { write(value) }
    tuple()
  }

  mutating func global(_ module: String, _ name: String) {
    code("c")
    bytes += Array("\(module)\n\(name)\n".utf8)
  }

  mutating func raw(_ byte: UInt8) { bytes.append(byte) }

  /// What announces so many bytes; they follow behind what ``take()`` gives.
  mutating func bytesHeader(_ count: UInt32) {
    code("B")
    bytes += little(count)
  }

  /// What was written since the last time.
  mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  private mutating func code(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }
}
