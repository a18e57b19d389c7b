/// CRC-32C, the checksum of Castagnoli's polynomial (RFC 3720, appendix B.4). It is not zlib's CRC-32.
func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
  ~bytes.reduce(~0) { crc, byte in crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
}

/// The result of eight shifts, for each byte.
private let table: [UInt32] = (0..<256).map { byte in
  // The polynomial's bits are reversed, because the least significant bit comes first.
  (0..<8).reduce(byte) { crc, _ in crc >> 1 ^ (crc & 1 == 0 ? 0 : 0x82f6_3b78) }
}
