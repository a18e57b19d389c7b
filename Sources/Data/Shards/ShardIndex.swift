import Files
import Foundation
import Images

/// The images of a set of shards: only how many each shard holds, or also their names, sizes and labels. Samples are
/// numbered over the shards in their order and in each in the archive's order.
///
/// A sample of WebDataset's has one image: see ``ImageChoice``. Labels come from its `cls` or `json` field if every
/// image has one; else from the folders that the images lie in, if all lie in one and there are two or more, sorted by
/// bytes; else there are none.
package struct ShardIndex: Sendable {
  package let sources: [ShardSource]
  /// Images of each shard.
  package let counts: [Int]
  /// Which members are images.
  package let rule: ImageRule
  /// Empty without labels; otherwise a label is an index into it.
  package let classNames: [String]
  /// Members that were passed over, of all shards.
  package let skipped: [TarReader.Skipped: Int]
  /// Pictures of formats that are not read, by ending, of all shards.
  package let unread: [String: Int]
  /// Images that belong to another one's sample, by field, of all shards.
  package let otherFields: [String: Int]
  /// Why there are no labels, as a sentence without its end; nil where there are some, or where only counts are known.
  package let labelProblem: String?
  /// The largest member that is read, bytes.
  package let limit: Int
  let numbering: ShardCounts
  /// Nil where only the counts are known.
  let listings: [ShardImages]?
  private let labels: [Int32]
  /// Those that fingerprints are of, where they are other ones.
  private let olderLabels: [Int32]?
  private let cache: ShardIndexCache?
  private let field: String?

  /// Reads nothing: no label is known, and no name until its shard is read.
  ///
  /// - Parameters:
  ///   - sources: The shards in order, at least one.
  ///   - counts: The images of each, none negative, the sum below 2⁶³.
  ///   - rule: Which members these are; WebDataset's plain fields unless given.
  ///   - limit: The largest member that is read, bytes.
  package init(
    _ sources: [ShardSource], counts: [Int], rule: ImageRule = .plain,
    limit: Int = DecodeLimits().maxFileBytes
  ) {
    precondition(sources.count == counts.count, "\(counts.count) counts for \(sources.count) shards")
    (self.sources, self.counts, self.rule, self.limit) = (sources, counts, rule, limit)
    numbering = ShardCounts(counts)
    (listings, cache, field, labels, olderLabels, classNames) = (nil, nil, nil, [], nil, [])
    (skipped, unread, otherFields, labelProblem) = ([:], [:], [:], nil)
  }

  /// Reads each shard once, unless the cache has its index.
  ///
  /// - Parameters:
  ///   - sources: The shards in order, at least one.
  ///   - field: Whose members are the images; nil lets ``ImageChoice`` find out.
  ///   - limit: The largest member that is read, bytes.
  ///   - retries: How often a command that breaks is started again.
  ///   - threads: Shards that are read at a time.
  ///   - cache: nil for none.
  ///   - progress: Called with how many shards are done, on other threads but never on two at once.
  /// - Throws: ``ShardError``.
  package init(
    _ sources: [ShardSource], field: String? = nil, limit: Int = DecodeLimits().maxFileBytes,
    retries: ShardRetries = ShardRetries(), threads: Int = Cores.usable, cache: ShardIndexCache? = .standard,
    progress: ((Int) -> Void)? = nil
  ) throws {
    precondition(!sources.isEmpty, "no shard to index")
    let listings = try inParallel(sources.count, threads: threads, each: progress) { shard in
      if let known = cache?.listing(of: sources[shard], field: field, limit: limit) { return known }
      let listing = try ShardListing(reading: sources[shard], field: field, limit: limit, retries: retries)
      cache?.store(listing, of: sources[shard], field: field, limit: limit)
      return listing
    }
    let choice = try ImageChoice(field: field, listings.map(\.facts), sources)
    let read = ReadShards(listings, sources, choice)
    (self.sources, self.limit, self.cache, self.field, rule) = (sources, limit, cache, field, choice.rule)
    self.listings = read.images
    counts = read.images.map(\.names.count)
    numbering = ShardCounts(counts)
    (skipped, unread, otherFields) = (read.skipped, read.unread, read.otherFields)
    (labels, classNames, labelProblem) = (read.labels.labels, read.labels.classNames, read.labels.problem)
    olderLabels = read.olderLabels == labels ? nil : read.olderLabels
  }

  /// Whether each image can be read without those before it: in plain tar files whose places are known.
  package var isRandomAccess: Bool {
    guard let listings else { return false }
    return zip(sources, listings).allSatisfy { source, listing in
      if case .file = source { listing.offsets != nil } else { false }
    }
  }

  package var count: Int { numbering.count }
  /// An index into ``classNames``; nil without labels.
  package func label(_ sample: Int) -> Int? { labels.isEmpty ? nil : Int(labels[sample]) }
  /// The label that a fingerprint holds: as the first versions of this program read it, so that their runs go on.
  func labelInFingerprint(_ sample: Int) -> Int? {
    guard let olderLabels else { return label(sample) }
    return olderLabels.isEmpty ? nil : Int(olderLabels[sample])
  }

  /// The shard and the member's name: "train-003.tar/n01440764/fish.jpg". Where only counts are known the image's
  /// number in the shard, from 1: "train-003.tar, image 17".
  package func name(_ sample: Int) -> String {
    let (shard, member) = numbering.place(sample)
    guard let listings else { return "\(sources[shard].shortName), image \(member + 1)" }
    return sources[shard].shortName + "/" + listings[shard].names[member]
  }

  /// The text that tells these shards from others where only counts are known. The folders that they lie in do not
  /// matter, nor does of a command anything but the last part of its address: the host may change.
  var countsText: String {
    zip(sources, counts).map { source, count in
      let name = if case .file = source { source.shortName } else { "pipe \(source.addressName ?? "")" }
      return "\(name) \(count)\n"
    }.joined()
  }

  /// The member's name alone; nil where only counts are known.
  func memberName(_ sample: Int) -> String? {
    let (shard, member) = numbering.place(sample)
    return listings?[shard].names[member]
  }

  /// Removes a shard's listing from the cache: it is not what was listed.
  func forget(_ shard: Int) { cache?.remove(sources[shard], field: field, limit: limit) }

  /// The error of a shard that is not what was listed, which is forgotten.
  private func changed(_ shard: Int, _ detail: String) -> ShardError {
    forget(shard)
    return .changed(shard: sources[shard].description, detail: detail)
  }

  /// The error of a shard that ends after `found` images. Its listing is kept: a command may only have broken.
  func endsEarly(_ shard: Int, after found: Int) -> ShardError {
    guard listings != nil else {
      return .otherCount(shard: sources[shard].description, found: found, expected: counts[shard])
    }
    return .changed(
      shard: sources[shard].description,
      detail: "it ends after \(grouped(found)) of \(grouped(counts[shard])) images")
  }

  /// The error of a file that ends before a byte that was there.
  func endsBefore(byte: Int, _ shard: Int) -> ShardError {
    changed(shard, "it ends before byte \(grouped(byte))")
  }

  /// Checks the `number`-th image that was met in a shard against what is known of it.
  ///
  /// - Parameter rest: The images that follow it; requested where there is one too many.
  func check(
    _ member: TarMember, _ number: Int, inShard shard: Int, rest: () throws(ShardError) -> Int
  ) throws(ShardError) {
    guard let listings else {
      if number < counts[shard] { return }
      throw .otherCount(
        shard: sources[shard].description, found: number + 1 + (try rest()), expected: counts[shard])
    }
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
