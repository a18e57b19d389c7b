import Foundation

/// Images of one shard, in the archive's order.
struct ShardImages: Codable, Sendable, Equatable {
  var names: [String] = []
  /// Bytes of each.
  var sizes: [Int] = []
  /// Where each begins in the file; nil if that is packed or a command.
  var offsets: [Int]? = []

  mutating func add(_ member: TarMember) {
    names.append(member.name)
    sizes.append(member.size)
    if let offset = member.offset { offsets?.append(offset) } else { offsets = nil }
  }

  /// Only these, in this order.
  func chosen(_ places: [Int]) -> ShardImages {
    ShardImages(
      names: places.map { names[$0] }, sizes: places.map { sizes[$0] },
      offsets: offsets.map { offsets in places.map { offsets[$0] } })
  }
}

/// The contents of one shard: a part of an index.
struct ShardListing: Codable, Sendable, Equatable {
  /// All images, or the members of one field where that was chosen.
  var images = ShardImages()
  /// Labels, each once.
  var labelTexts: [String] = []
  /// Of each image by WebDataset's key: a place in ``labelTexts``, or -1 without one.
  var labels: [Int32] = []
  /// The same by the name up to its last dot, where that is different.
  var stemLabels: [Int32]?
  /// The first label that is none, as a sentence without its end.
  var badLabel: String?
  /// The number in a `key.cls` of each image, the last one of a key; nil unless all have one. The first versions of this
  /// program had these labels only, and fingerprints hold them.
  var classNumbers: [Int]?
  /// Nil where every key has one image.
  var sharedKeys: SharedKeys?
  /// The number of images of other fields than the chosen one, by field.
  var otherFields: [String: Int] = [:]
  /// Pictures that are not read, by ending.
  var unread: [String: Int] = [:]
  /// All other members, by ending; none where there are images.
  var others: [String: Int] = [:]
  var skipped: [TarReader.Skipped: Int] = [:]

  /// Reads a shard's headers and labels, and of a packed one or a command everything.
  ///
  /// - Parameters:
  ///   - limit: The largest member that counts, bytes.
  ///   - field: Whose members are the images; nil for all with an image's ending.
  ///   - patience: Seconds that a command may print nothing.
  /// - Throws: ``ShardError``.
  init(reading source: ShardSource, limit: Int, field: String? = nil, patience: Int? = nil) throws(ShardError)
  {
    // The members of a plain file are stepped over: a large block would mostly read what is not wanted.
    let reader = try TarReader(
      source, limit: limit, blockBytes: source.isCommand ? 128 << 10 : 16 << 10, patience: patience)
    var labels = ShardLabels()
    var names: [SampleName] = []
    while let member = try reader.next() {
      guard let name = SampleName(member.name) else { continue }
      if field.map({ $0 == name.field }) ?? name.isImage {
        images.add(member)
        names.append(name)
      } else if name.isImage {
        otherFields.countOne(name.field, of: 1000)
      } else if UnreadKinds.isPicture(name.ending) {
        unread.countOne(".\(name.ending)", of: 1000)
      } else {
        labels.note(name, member)
        if labels.wants(name, member) { labels.add(name, member: member.name, try reader.readAll()) }
        if names.isEmpty { others.countOne(".\(name.ending)", of: 20) }
      }
    }
    if !names.isEmpty { others = [:] }
    skipped = reader.skipped
    take(labels, of: names)
    sharedKeys = SharedKeys(names, images.names, labels)
  }

  private mutating func take(_ found: ShardLabels, of names: [SampleName]) {
    (labelTexts, badLabel) = (found.texts, found.bad)
    labels = names.map(found.label(ofKey:))
    let byStem = names.map(found.label(ofStem:))
    stemLabels = byStem == labels ? nil : byStem
    let numbers = names.compactMap(found.number(ofKey:))
    classNumbers = numbers.count == names.count ? numbers : nil
  }

  /// The number of images that a rule takes.
  func count(_ rule: ImageRule) -> Int {
    rule == .plain ? images.names.count { rule.takes($0) } : images.names.count
  }

  /// For ``ImageChoice``.
  var facts: ShardFacts {
    ShardFacts(
      images: images.names.count, sharedKeys: sharedKeys, otherFields: otherFields,
      others: unread.merging(others) { $0 + $1 })
  }

  /// Whether it is consistent; a listing from a cache may be anything.
  var isConsistent: Bool {
    let counts = [
      images.sizes.count, images.offsets?.count, labels.count, stemLabels?.count, classNumbers?.count,
    ].compactMap { $0 }
    return counts.allSatisfy { $0 == images.names.count } && images.sizes.allSatisfy { $0 >= 0 }
      && (images.offsets ?? []).allSatisfy { $0 >= 0 }
      && (classNumbers ?? []).allSatisfy { (0..<1_000_000).contains($0) }
      && (labels + (stemLabels ?? [])).allSatisfy { (-1..<labelTexts.count).contains(Int($0)) }
  }
}

/// A listing without its names.
struct ShardFacts: Sendable {
  var images: Int
  var sharedKeys: SharedKeys?
  var otherFields: [String: Int]
  /// Members that are no images, by ending.
  var others: [String: Int]
}

/// The images of a shard that share a key of WebDataset's: fields of one sample, or samples whose names hold dots.
struct SharedKeys: Codable, Sendable, Equatable {
  /// More fields than these are not kept.
  static let mostFields = 32

  /// The first such key and two of its images.
  var key: String
  var first: String
  var second: String
  /// The number of images that share keys.
  var images = 0
  /// Their fields; empty beyond ``mostFields``.
  var fields: [String]
  /// Whether every such key has one image whose field is one ending.
  var hasOnePlainEach: Bool
  /// Whether some such key has one.
  var hasPlain: Bool
  /// Whether the names up to their last dots are different for all images.
  var haveOwnStems: Bool
  /// Whether each image has a `.cls` or `.json` of its own by that name.
  var haveOwnCompanions: Bool
  /// Whether a `.cls` or `.json` belongs to such a key as a whole.
  var haveCommonCompanions: Bool

  /// Nil where every key has one image.
  init?(_ names: [SampleName], _ members: [String], _ labels: ShardLabels) {
    guard Set(names.map(\.key)).count < names.count else { return nil }
    var keys: [String: [Int]] = [:]
    for (place, name) in names.enumerated() { keys[name.key, default: []].append(place) }
    let shared = keys.filter { $0.value.count > 1 }
    guard let first = shared.min(by: { $0.value[0] < $1.value[0] }) else { return nil }
    key = first.key
    (self.first, second) = (members[first.value[0]], members[first.value[1]])
    images = shared.values.reduce(0) { $0 + $1.count }
    let fields = Set(shared.values.joined().map { names[$0].field })
    self.fields = fields.count <= Self.mostFields ? fields.sorted { $0.precedesInBytes($1) } : []
    let plain = shared.values.map { $0.count { names[$0].isPlain } }
    hasOnePlainEach = plain.allSatisfy { $0 == 1 }
    hasPlain = plain.contains { $0 > 0 }
    haveOwnStems = Set(names.map(\.stem)).count == names.count
    haveOwnCompanions = haveOwnStems && names.allSatisfy(labels.hasCompanion)
    haveCommonCompanions = shared.keys.contains(where: labels.hasCompanion(ofKey:))
  }
}
