import CArchives

/// Writes a zip file of stored entries, each at a multiple of 64 bytes, as `torch.save` does.
package struct ZipWriter {
  private let writer: FileWriter
  private let path: String
  private var position = 0
  private var list: [UInt8] = []
  private var count = 0

  package init(_ writer: FileWriter, path: String) {
    self.writer = writer
    self.path = path
  }

  package mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
    // Without zip64, which no encoder here needs.
    guard position + bytes.count < 0xFFFF_0000, count < 0xFFFF else {
      throw InterchangeError(
        path: path, problem: .unsupported("weights above 4 GB are not written. Export --format safetensors."))
    }
    let name = Array(name.utf8)
    let crc = ca_crc32(0, bytes.baseAddress, bytes.count)
    // From the version needed to the name's length; all entries are of 1 January 1980.
    let fixed: [UInt8] =
      little(UInt16(20)) + little(UInt16(0)) + little(UInt16(0)) + little(UInt32(0x0021_0000))
      + little(crc) + little(UInt32(bytes.count)) + little(UInt32(bytes.count)) + little(UInt16(name.count))
    // A field of an unknown kind takes up the room before the next multiple of 64.
    let padding = (64 - (position + 30 + name.count + 4) % 64) % 64
    let extra =
      Array("FB".utf8) + little(UInt16(padding)) + [UInt8](repeating: UInt8(ascii: "Z"), count: padding)
    try writer.write(little(UInt32(0x0403_4B50)) + fixed + little(UInt16(extra.count)) + name + extra)
    try writer.write(bytes)
    list += little(UInt32(0x0201_4B50)) + little(UInt16(20)) + fixed
    list += little(UInt16(0)) + little(UInt16(0)) + little(UInt16(0)) + little(UInt16(0)) + little(UInt32(0))
    list += little(UInt32(position)) + name
    position += 30 + name.count + extra.count + bytes.count
    count += 1
  }

  package mutating func add(_ name: String, _ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try add(name, $0) }
  }

  /// Writes the list of contents.
  package func finish() throws {
    try writer.write(list)
    try writer.write(
      little(UInt32(0x0605_4B50)) + little(UInt32(0)) + little(UInt16(count)) + little(UInt16(count))
        + little(UInt32(list.count)) + little(UInt32(position)) + little(UInt16(0)))
  }
}

/// A number's bytes, little-endian.
package func little(_ value: some FixedWidthInteger & BitwiseCopyable) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
