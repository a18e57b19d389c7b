import Files
import Foundation
import Images

/// The places of all images in a set of shards. Samples are numbered over the shards in their order and in each in the
/// archive's order.
///
/// Labels come from WebDataset's `key.cls` beside `key.jpg` if every image has one; else from the folders that the
/// images lie in, if all lie in one and there are two or more, sorted by bytes; else there are none.
package struct ShardIndex: Sendable {
  package let sources: [ShardSource]
  /// Images of each shard.
  package let counts: [Int]
  /// Empty without labels; otherwise a label is an index into it.
  package let classNames: [String]
  /// Members that were passed over, of all shards.
  package let skipped: [TarReader.Skipped: Int]
  /// The largest member that is read, bytes.
  package let limit: Int
  let listings: [ShardListing]
  private let labels: [Int32]
  private let starts: [Int]
  private let cache: ShardIndexCache?

  /// Reads each shard once, unless the cache has its index.
  ///
  /// - Parameters:
  ///   - sources: The shards in order, at least one.
  ///   - limit: The largest member that is read, bytes.
  ///   - threads: Shards that are read at a time.
  ///   - cache: nil for none.
  ///   - progress: Called with how many shards are done, on other threads but never on two at once.
  /// - Throws: ``ShardError``.
  package init(
    _ sources: [ShardSource], limit: Int = DecodeLimits().maxFileBytes,
    threads: Int = Cores.usable, cache: ShardIndexCache? = .standard,
    progress: ((Int) -> Void)? = nil
  ) throws {
    precondition(!sources.isEmpty, "no shard to index")
    listings = try inParallel(sources.count, threads: threads, each: progress) { shard in
      if let known = cache?.listing(of: sources[shard], limit: limit) { return known }
      let listing = try ShardListing(reading: sources[shard], limit: limit)
      cache?.store(listing, of: sources[shard], limit: limit)
      return listing
    }
    (self.sources, self.limit, self.cache) = (sources, limit, cache)
    counts = listings.map(\.names.count)
    starts = firstSamples(counts)
    guard counts.contains(where: { $0 > 0 }) else {
      throw ShardError.noImages(first: sources[0].description, shards: sources.count)
    }
    skipped = listings.reduce(into: [:]) { $0.merge($1.skipped) { $0 + $1 } }
    (labels, classNames) = shardLabels(listings)
  }

  /// Whether each image can be read without those before it: in plain tar files.
  package var isRandomAccess: Bool {
    zip(sources, listings).allSatisfy { source, listing in
      if case .file = source { listing.offsets != nil } else { false }
    }
  }

  package var count: Int { starts[starts.count - 1] }
  /// An index into ``classNames``; nil without labels.
  package func label(_ sample: Int) -> Int? { labels.isEmpty ? nil : Int(labels[sample]) }

  /// The shard and the member's name: "train-003.tar/n01440764/fish.jpg".
  package func name(_ sample: Int) -> String {
    let (shard, member) = place(sample)
    return sources[shard].shortName + "/" + listings[shard].names[member]
  }

  /// The member's name alone.
  func memberName(_ sample: Int) -> String {
    let (shard, member) = place(sample)
    return listings[shard].names[member]
  }

  /// The samples of a shard.
  func samples(ofShard shard: Int) -> Range<Int> { starts[shard]..<starts[shard + 1] }

  /// The shard, and which of its images.
  func place(_ sample: Int) -> (shard: Int, member: Int) {
    precondition(sample >= 0 && sample < count, "sample \(sample) of \(count)")
    // The last shard that begins at or before the sample; empty ones begin where the next does.
    var (low, high) = (0, sources.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= sample { low = middle } else { high = middle }
    }
    return (low, sample - starts[low])
  }

  /// The error of a shard that is not what was listed, which is forgotten.
  func changed(_ shard: Int, _ detail: String) -> ShardError {
    cache?.remove(sources[shard], limit: limit)
    return .changed(shard: sources[shard].description, detail: detail)
  }

  /// Checks the `number`-th image that was met in a shard against what was listed.
  func check(_ member: TarMember, _ number: Int, inShard shard: Int) throws(ShardError) {
    let listing = listings[shard]
    guard number < listing.names.count else {
      throw changed(shard, "\(member.name) comes after the \(grouped(number)) images that it had")
    }
    guard listing.names[number] == member.name, listing.sizes[number] == member.size else {
      throw changed(
        shard,
        "\(member.name) with \(grouped(member.size)) bytes stands in the place of \(listing.names[number]) with "
          + grouped(listing.sizes[number]))
    }
  }
}

private func shardLabels(_ listings: [ShardListing]) -> (labels: [Int32], classNames: [String]) {
  let folders = listings.map { $0.names.map(folderName) }
  if listings.allSatisfy({ $0.labels != nil }) {
    let labels = listings.flatMap { $0.labels ?? [] }
    return (labels.map(Int32.init), numberedClassNames(labels, folders.flatMap { $0 }))
  }
  let names = Set(folders.joined())
  guard !names.contains(""), names.count > 1 else { return ([], []) }
  let classNames = names.sorted { $0.precedesInBytes($1) }
  let numbers = Dictionary(uniqueKeysWithValues: zip(classNames, Int32(0)...))
  return (folders.joined().compactMap { numbers[$0] }, classNames)
}

/// The folders' names, if each label has one folder and each folder one label; else the numbers.
private func numberedClassNames(_ labels: [Int], _ folders: [String]) -> [String] {
  var names = (0...(labels.max() ?? 0)).map(String.init)
  var folderOfLabel: [Int: String] = [:]
  for (label, folder) in zip(labels, folders) {
    guard !folder.isEmpty, folderOfLabel[label, default: folder] == folder else { return names }
    folderOfLabel[label] = folder
  }
  guard Set(folderOfLabel.values).count == folderOfLabel.count else { return names }
  for (label, folder) in folderOfLabel { names[label] = folder }
  return names
}

/// The folder that a member lies in; empty if it lies in none.
private func folderName(_ name: String) -> String {
  let parts = name.split(separator: "/")
  return parts.count > 1 ? String(parts[parts.count - 2]) : ""
}
