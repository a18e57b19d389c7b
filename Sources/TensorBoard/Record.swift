/// One record of a TFRecord file: the length in 8 bytes, its checksum, the content, its checksum; all little-endian.
func record(_ content: [UInt8]) -> [UInt8] {
  let length = littleEndian(UInt64(content.count))
  return length + littleEndian(maskedChecksum(length)) + content + littleEndian(maskedChecksum(content))
}

/// The format rotates a checksum and adds a constant, so that checksums of data that contains checksums stay
/// useful.
func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
  let crc = crc32c(bytes)
  return (crc >> 15 | crc << 17) &+ 0xa282_ead8
}

private func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian, Array.init)
}
