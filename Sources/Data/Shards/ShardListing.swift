import Foundation

/// The images of one shard, in the archive's order: a part of an index.
struct ShardListing: Codable, Sendable, Equatable {
  var names: [String] = []
  /// Bytes of each.
  var sizes: [Int] = []
  /// Where each begins in the file; nil if that is packed or a command.
  var offsets: [Int]? = []
  /// WebDataset's `key.cls` beside each `key.jpg`; nil unless every image has one.
  var labels: [Int]?
  var skipped: [TarReader.Skipped: Int] = [:]

  /// Reads a shard's headers, and of a packed one or a command everything.
  ///
  /// - Throws: ``ShardError``.
  init(reading source: ShardSource, limit: Int) throws(ShardError) {
    // The members of a plain file are stepped over: a large block would mostly read what is not wanted.
    let isFile = if case .file = source { true } else { false }
    let reader = try TarReader(source, limit: limit, blockBytes: isFile ? 16 << 10 : 128 << 10)
    var labelOfKey: [String: Int] = [:]
    while let member = try reader.next() {
      if isShardImage(member.name) {
        names.append(member.name)
        sizes.append(member.size)
        if let offset = member.offset { offsets?.append(offset) } else { offsets = nil }
      } else if member.name.hasSuffix(".cls"), member.size <= 32 {
        let text = String(decoding: try reader.readAll(), as: UTF8.self)
        if let label = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)),
          (0..<1_000_000).contains(label)
        {
          labelOfKey[sampleKey(member.name)] = label
        }
      }
    }
    let found = names.compactMap { labelOfKey[sampleKey($0)] }
    labels = found.count == names.count ? found : nil
    skipped = reader.skipped
  }

  /// Whether it is consistent; a listing from a cache may be anything.
  var isConsistent: Bool {
    let counts = [sizes.count, offsets?.count, labels?.count].compactMap { $0 }
    return counts.allSatisfy { $0 == names.count } && sizes.allSatisfy { $0 >= 0 }
      && (offsets ?? []).allSatisfy { $0 >= 0 } && (labels ?? []).allSatisfy { (0..<1_000_000).contains($0) }
  }
}

/// By its ending; hidden names and the "._" files of macOS are none.
func isShardImage(_ name: String) -> Bool {
  hasImageExtension(name) && !(name.split(separator: "/").last ?? "").hasPrefix(".")
}

/// WebDataset's key: the path up to the first dot of the last part.
private func sampleKey(_ name: String) -> String {
  let start = name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex
  return String(name[..<(name[start...].firstIndex(of: ".") ?? name.endIndex)])
}
