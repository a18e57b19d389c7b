import CCodecs
import Foundation

@testable import Checkpoints

/// Writes pickles operation by operation, legal or not.
struct Pickle {
  private(set) var bytes: [UInt8]

  init(version: UInt8 = 2) { bytes = [0x80, version] }

  mutating func operations(_ text: String) { bytes += Array(text.utf8) }
  mutating func raw(_ more: [UInt8]) { bytes += more }
  mutating func global(_ module: String, _ name: String) { operations("c\(module)\n\(name)\n") }
  mutating func text(_ text: String) { raw([0x58] + little(UInt32(text.utf8.count)) + Array(text.utf8)) }
  mutating func number(_ value: Int) { raw([0x8A, 8] + little(Int64(value))) }
  mutating func numbers(_ values: [Int]) {
    operations("(")
    for value in values { number(value) }
    operations("t")
  }

  /// A float32 tensor on the storage `0`.
  mutating func tensor(shape: [Int], strides: [Int], offset: Int, storage: Int) {
    global("torch._utils", "_rebuild_tensor_v2")
    operations("((")
    text("storage")
    global("torch", "FloatStorage")
    text("0")
    text("cpu")
    number(storage)
    operations("tQ")
    number(offset)
    numbers(shape)
    numbers(strides)
    raw([0x89])
    operations("}tR")
  }

  /// `{"a": tensor}` as a file of torch.save, with the storage's bytes.
  static func file(shape: [Int], strides: [Int], offset: Int = 0, storage: Int, bytes count: Int) throws
    -> [UInt8]
  {
    var pickle = Pickle()
    pickle.operations("}")
    pickle.text("a")
    pickle.tensor(shape: shape, strides: strides, offset: offset, storage: storage)
    pickle.operations("s.")
    return try zipFile([
      ("x/data.pkl", pickle.bytes), ("x/data/0", [UInt8](repeating: 0, count: count)), ("x/version", [0x33]),
    ])
  }
}

/// A zip file of stored entries.
func zipFile(_ entries: [(String, [UInt8])]) throws -> [UInt8] {
  var result: [UInt8] = []
  try withFolder { folder in
    let path = joined(folder, "x.zip")
    try writeFile(path) { writer in
      var zip = ZipWriter(writer, path: path)
      for (name, content) in entries { try zip.add(name, content) }
      try zip.finish()
    }
    result = try bytes(at: path)
  }
  return result
}

/// Zip files with packed entries, which ``ZipWriter`` does not write.
struct DeflatedZip {
  /// One deflated entry `x/data.pkl`.
  static func file(_ packed: [UInt8], count: Int, crc: UInt32, listed: Int? = nil) -> [UInt8] {
    let name = Array("x/data.pkl".utf8)
    func fixed(_ count: Int) -> [UInt8] {
      little(UInt16(20)) + little(UInt16(0)) + little(UInt16(8)) + little(UInt32(0)) + little(crc)
        + little(UInt32(packed.count)) + little(UInt32(count)) + little(UInt16(name.count))
        + little(UInt16(0))
    }
    let local = little(UInt32(0x0403_4B50)) + fixed(count) + name + packed
    let list =
      little(UInt32(0x0201_4B50)) + little(UInt16(20)) + fixed(listed ?? count)
      + [UInt8](repeating: 0, count: 14)
      + name
    return local + list + little(UInt32(0x0605_4B50)) + [0, 0, 0, 0, 1, 0, 1, 0] + little(UInt32(list.count))
      + little(UInt32(local.count)) + [0, 0]
  }

  /// Zeros as deflate packs them most tightly: a block with fixed codes, one zero and then repeats of 258 bytes
  /// (length code 285, distance code 0), about 13 bits each.
  static func zeros(repeats: Int) -> (packed: [UInt8], count: Int) {
    var bits = BitWriter()
    bits.put(0b011, 3)  // the last block, fixed codes
    bits.putCode(0x30, 8)  // literal 0
    for _ in 0..<repeats {
      bits.putCode(0b1100_0101, 8)  // length 258
      bits.putCode(0, 5)  // distance 1
    }
    bits.putCode(0, 7)  // the block's end
    return (bits.bytes, 1 + repeats * 258)
  }

  private struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var used = 8

    mutating func put(_ value: Int, _ count: Int) {
      for bit in 0..<count { put(bit: value >> bit & 1) }
    }
    /// Huffman codes stand with their highest bit first.
    mutating func putCode(_ value: Int, _ count: Int) {
      for bit in (0..<count).reversed() { put(bit: value >> bit & 1) }
    }
    private mutating func put(bit: Int) {
      if used == 8 {
        bytes.append(0)
        used = 0
      }
      bytes[bytes.count - 1] |= UInt8(bit << used)
      used += 1
    }
  }
}
