import Files

extension Dataset {
  /// A number that other images hardly have: a checksum of the format, all names and labels, and the pixels of 16
  /// samples. The folder's own place does not matter.
  public var fingerprint: UInt32 {
    var bytes = Array("\(format.rawValue) \(count)\n".utf8)
    // A command is not part of it: its address may change.
    for index in 0..<count {
      bytes += Array("\(shards?.memberName(index) ?? name(index)) \(label(index) ?? -1)\n".utf8)
    }
    // Shards that can only be read in sequence are told by their names.
    for place in 0..<(shards?.isRandomAccess == false ? 0 : min(16, count)) {
      // An image that cannot be read is told apart by its name.
      if let image = try? image(place * count / min(16, count)) { bytes += image.pixels }
    }
    return bytes.withUnsafeBytes { crc32($0) }
  }
}
