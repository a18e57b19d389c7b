import Files
import Foundation
import Images

/// Keeps the index of each shard in a small file, so that they need not be read through before every run.
///
/// A file is identified by its path, size and time of change, a command by its text. Entries that cannot be read or do
/// not fit count as absent; those that cannot be written are left out.
package struct ShardIndexCache: Sendable {
  package let folder: String

  package init(folder: String) { self.folder = folder }

  /// In the user's cache; see ``cacheFolder(_:)``.
  package static var standard: ShardIndexCache { ShardIndexCache(folder: cacheFolder("shards")) }

  private struct Entry: Codable {
    var key: String
    var listing: ShardListing
  }

  func listing(of source: ShardSource, field: String?, limit: Int) -> ShardListing? {
    guard let key = Self.key(source, field, limit),
      let data = FileManager.default.contents(atPath: file(key)),
      let entry = try? JSONDecoder().decode(Entry.self, from: data), entry.key == key,
      entry.listing.isConsistent
    else { return nil }
    return entry.listing
  }

  func store(_ listing: ShardListing, of source: ShardSource, field: String?, limit: Int) {
    guard let key = Self.key(source, field, limit),
      let data = try? JSONEncoder().encode(Entry(key: key, listing: listing))
    else { return }
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try? data.write(to: URL(fileURLWithPath: file(key)), options: .atomic)
  }

  func remove(_ source: ShardSource, field: String?, limit: Int) {
    if let key = Self.key(source, field, limit) { try? FileManager.default.removeItem(atPath: file(key)) }
  }

  /// Of what a listing holds, and by which rule: another form is another key. Form 1 knew no samples.
  private static let form = "2 " + ImageFormat.allExtensions.sorted().joined(separator: " ")

  private static func key(_ source: ShardSource, _ field: String?, _ limit: Int) -> String? {
    let start = form + "\n" + (field ?? "")
    switch source {
    case .command(let text): return "\(start)\ncommand \(limit)\n\(text)"
    case .file(let path):
      var facts = stat()
      guard stat(path, &facts) == 0 else { return nil }
      #if canImport(Darwin)
        let time = facts.st_mtimespec
      #else
        let time = facts.st_mtim
      #endif
      let whole = URL(fileURLWithPath: path).standardizedFileURL.path
      return "\(start)\nfile \(limit) \(facts.st_size) \(time.tv_sec).\(time.tv_nsec)\n\(whole)"
    }
  }

  /// Named by the key's hash (FNV-1a, 64 bits); the key inside reveals a collision.
  private func file(_ key: String) -> String {
    let hash = key.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    return folder + "/" + String(hash, radix: 16) + ".json"
  }
}
