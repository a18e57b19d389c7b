import Files
import Foundation
import Images

/// The shards of a data set and the number of images in each, as a file: WebDataset's index (wids), version 1.
///
///     {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": "photos",
///      "shardlist": [{"url": "photos-000.tar", "nsamples": 1000, "filesize": 10485760}, …]}
///
/// `filesize` and `md5sum` may be missing, and are not needed. Under "moco" it has the ``ImageRule`` by which its images
/// were counted; where that is missing, they are WebDataset's samples. A url is a path, relative to the index's folder (or to
/// its `base`), `pipe:` and a shell command, or an address that curl fetches.
package struct ShardList: Sendable, Equatable {
  package struct Shard: Codable, Sendable, Equatable {
    package var url: String
    /// Images. An index made by others counts WebDataset's samples, which should be the same.
    package var nsamples: Int
    /// Bytes.
    package var filesize: Int?

    package init(url: String, nsamples: Int, filesize: Int? = nil) {
      (self.url, self.nsamples, self.filesize) = (url, nsamples, filesize)
    }
  }

  package var name: String
  package var base: String?
  /// Which members were counted; nil in an index by others, or by the first versions of this program.
  package var rule: ImageRule?
  package var shards: [Shard]

  package init(name: String, rule: ImageRule? = nil, shards: [Shard]) {
    (self.name, self.rule, self.shards) = (name, rule, shards)
  }

  /// A larger file is refused: a million shards take a quarter of it.
  private static let fileLimit = 1 << 30
  /// Images of all shards.
  private static let imageLimit = 1_000_000_000_000_000
  private static let remedy = "write one with moco index"
}

// MARK: - The file

extension ShardList: Codable {
  private static let kind = "wids-shard-index-v1"

  private enum CodingKeys: String, CodingKey {
    case kind = "__kind__"
    case version = "wids_version"
    case name, base, shardlist, datasets
    case rule = "moco"
  }

  private struct Wrong: Error {
    var detail: String
  }

  private struct Anything: Decodable {}

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard let version = try values.decodeIfPresent(Int.self, forKey: .version) else {
      throw Wrong(detail: "no shard index: it has no \"wids_version\"")
    }
    guard version == 1 else { throw Wrong(detail: "a shard index of version \(version); version 1 is read") }
    let kind = try values.decodeIfPresent(String.self, forKey: .kind) ?? Self.kind
    guard kind == Self.kind else { throw Wrong(detail: "its __kind__ is \(kind), not \(Self.kind)") }
    guard try values.decodeIfPresent([Anything].self, forKey: .datasets)?.isEmpty ?? true else {
      throw Wrong(
        detail: "an index of several data sets; give one with all their shards in its \"shardlist\"")
    }
    name = try values.decodeIfPresent(String.self, forKey: .name) ?? ""
    base = try values.decodeIfPresent(String.self, forKey: .base)
    rule = try values.decodeIfPresent(ImageRule.self, forKey: .rule)
    shards = try values.decodeIfPresent([Shard].self, forKey: .shardlist) ?? []
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(Self.kind, forKey: .kind)
    try values.encode(1, forKey: .version)
    try values.encode(name, forKey: .name)
    try values.encodeIfPresent(base, forKey: .base)
    try values.encodeIfPresent(rule, forKey: .rule)
    try values.encode(shards, forKey: .shardlist)
  }

  /// - Throws: ``ShardError/badIndex(path:detail:)``, ``ShardError/unreadable(shard:reason:)``.
  package init(contentsOf path: String) throws(ShardError) {
    do {
      let reader = try FileReader(path)
      guard reader.count <= Self.fileLimit else {
        throw Wrong(
          detail:
            "has \(grouped(reader.count)) bytes; an index of more than \(grouped(Self.fileLimit)) is not read"
        )
      }
      self = try JSONDecoder().decode(ShardList.self, from: Data(reader.bytes(0..<reader.count)))
      try check()
    } catch let wrong as Wrong {
      throw .badIndex(path: path, detail: wrong.detail)
    } catch let error as DecodingError {
      throw .badIndex(path: path, detail: "no shard index: \(Self.text(of: error)); \(Self.remedy)")
    } catch {
      throw .unreadable(shard: path, reason: "\(error)")
    }
  }

  private static func text(of error: DecodingError) -> String {
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found): context = found
    case .keyNotFound(let key, let found):
      context = found
      return (place(context) + ["no \"\(key.stringValue)\""]).joined(separator: ", ")
    @unknown default: return "\(error)"
    }
    return (place(context) + [context.debugDescription]).joined(separator: ", ")
  }

  private static func place(_ context: DecodingError.Context) -> [String] {
    context.codingPath.isEmpty
      ? []
      : [context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")]
  }

  private func check() throws(Wrong) {
    guard !shards.isEmpty else { throw Wrong(detail: "its \"shardlist\" names no shard; \(Self.remedy)") }
    guard shards.count <= ShardPattern.limit else {
      throw Wrong(
        detail: "names \(grouped(shards.count)) shards; at most \(grouped(ShardPattern.limit)) are read")
    }
    var urls: Set<String> = []
    var images = 0
    for shard in shards {
      guard !shard.url.isEmpty, !shard.url.utf8.contains(0) else {
        throw Wrong(detail: "a shard has no usable \"url\"; \(Self.remedy)")
      }
      guard !shard.url.hasPrefix("pipe:") || !Self.command(in: shard.url).isEmpty else {
        throw Wrong(detail: "\(shard.url) has no command; write one behind pipe:, such as pipe:curl URL")
      }
      guard urls.insert(shard.url).inserted else {
        throw Wrong(detail: "names \(shard.url) twice; \(Self.remedy)")
      }
      guard (0...Self.imageLimit).contains(shard.nsamples), images + shard.nsamples <= Self.imageLimit else {
        throw Wrong(
          detail: "\(shard.url) cannot hold \(grouped(shard.nsamples)) images; \(Self.remedy)")
      }
      images += shard.nsamples
    }
  }

  /// - Throws: ``ShardError/badIndex(path:detail:)`` where a shard is named twice, and
  ///   ``ShardError/unwritable(path:reason:)``.
  package func write(to path: String) throws(ShardError) {
    do throws(Wrong) { try check() } catch { throw .badIndex(path: path, detail: error.detail) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do {
      try replaceFile(path, with: String(decoding: encoder.encode(self), as: UTF8.self) + "\n")
    } catch { throw .unwritable(path: path, reason: "\(error)") }
  }
}

// MARK: - The shards

extension ShardList {
  /// Where the shards are. Only the first file is looked for: there may be very many.
  ///
  /// - Parameter path: Of the index.
  /// - Throws: ``ShardError``.
  package func sources(of path: String) throws(ShardError) -> [ShardSource] {
    let folder = path.parentFolder
    let start =
      base.map { $0.hasPrefix("/") || Self.scheme(of: $0) != nil ? $0 : joined(folder, $0) } ?? folder
    var sources: [ShardSource] = []
    sources.reserveCapacity(shards.count)
    for shard in shards { sources.append(try Self.source(shard.url, in: start, index: path)) }
    if case .file(let first) = sources[0], FileKind(first) == nil {
      throw .missing(first: first, count: 1, of: 1)
    }
    return sources
  }

  private static func source(_ url: String, in folder: String, index: String) throws(ShardError)
    -> ShardSource
  {
    if url.hasPrefix("pipe:") {
      return .command(command(in: url))
    }
    let place = url.hasPrefix("/") || scheme(of: url) != nil ? url : joined(folder, url)
    guard let scheme = scheme(of: place) else { return .file(place) }
    if scheme == "file", place.hasPrefix("file:///") {
      return .file(String(place.dropFirst("file://".count)))
    }
    guard ["http", "https"].contains(scheme.lowercased()), !place.contains("'") else {
      throw .badIndex(
        path: index, detail: "\(place) cannot be fetched; write pipe: and a command that prints it")
    }
    return .command("curl -gfsSL '\(place)'")  // -g: brackets and braces stand for themselves
  }

  /// The command behind `pipe:`.
  private static func command(in url: String) -> String {
    url.dropFirst("pipe:".count).trimmingCharacters(in: .whitespaces)
  }

  /// The part before "://". Without a regular expression, which would be compiled anew for each of 100,000 shards.
  private static func scheme(of url: String) -> Substring? {
    guard let colon = url.utf8.firstIndex(of: UInt8(ascii: ":")), url[colon...].hasPrefix("://") else {
      return nil
    }
    return url[..<colon]
  }

  /// The index of shards whose images were counted.
  ///
  /// - Parameter path: Where the index will be.
  init(files: [String], counts: [Int], for path: String) {
    self.init(
      name: String(path.lastPathPart.dropLast(".json".count)), rule: .plain,
      shards: zip(files, counts).map { Shard(.file($0), images: $1, index: path) })
  }

  /// The index of shards, whose images are counted: headers and labels are read of plain files, everything of others.
  ///
  /// - Parameters:
  ///   - sources: The shards in order.
  ///   - path: Where the index will be.
  ///   - field: Whose members are the images; nil lets ``ImageChoice`` find out.
  ///   - limit: The largest member that counts, bytes.
  ///   - threads: Shards that are read at a time.
  ///   - retries: How often a command that breaks is started again.
  ///   - progress: Called with how many shards are done, on other threads but never on two at once.
  /// - Throws: ``ShardError``.
  package init(
    counting sources: [ShardSource], for path: String, field: String? = nil,
    limit: Int = DecodeLimits().maxFileBytes, threads: Int, retries: ShardRetries = ShardRetries(),
    progress: ((Int) -> Void)? = nil
  ) throws {
    // Without the names: there may be very many.
    let counted = try inParallel(sources.count, threads: threads, each: progress) { number in
      let listing = try ShardListing(reading: sources[number], field: field, limit: limit, retries: retries)
      return (facts: listing.facts, plain: listing.count(.plain))
    }
    let choice = try ImageChoice(field: field, counted.map(\.facts), sources)
    let shards = zip(sources, counted).map { source, shard in
      Shard(source, images: choice.rule == .plain ? shard.plain : shard.facts.images, index: path)
    }
    self.init(name: String(path.lastPathPart.dropLast(".json".count)), rule: choice.rule, shards: shards)
  }
}

extension ShardList.Shard {
  /// - Parameter index: The path of the index; a shard in its folder or below is named relative to it.
  init(_ source: ShardSource, images: Int, index: String) {
    guard case .file(let path) = source else {
      self.init(url: source.description, nsamples: images)
      return
    }
    func absolute(_ path: String) -> String {
      URL(
        fileURLWithPath: path.hasPrefix("/") ? path : joined(FileManager.default.currentDirectoryPath, path)
      )
      .standardizedFileURL.path
    }
    let (whole, folder) = (absolute(path), joined(absolute(index.parentFolder), ""))
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? nil
    self.init(
      url: whole.hasPrefix(folder) ? String(whole.dropFirst(folder.count)) : whole, nsamples: images,
      filesize: size)
  }
}
