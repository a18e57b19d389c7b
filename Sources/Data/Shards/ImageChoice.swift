/// Which images of listed shards are read, and by which names labels belong to them.
///
/// WebDataset's rule, as long as it gives every sample one image: the key ends at the first dot. Where several images
/// share a key,
///
/// 1. `--image-key` chooses one field of every sample;
/// 2. images are samples of their own, their keys ending at the last dot, where each has a label or a JSON file of its
///    own by that key;
/// 3. else the image whose field is one ending is the sample's (x.jpg before x.seg.png), if each of these keys has one;
/// 4. else they are samples of their own by their last dots, if no key has an image with such a field, or a label for
///    all of its images, and the fields are not the same from key to key, as x.rgb.png and x.depth.png are;
/// 5. else nobody can know, and the error names a key.
struct ImageChoice: Equatable {
  let rule: ImageRule
  /// Whether labels belong to images by the name up to the last dot.
  let pairsByStem: Bool

  private init(_ rule: ImageRule, pairsByStem: Bool = false) {
    (self.rule, self.pairsByStem) = (rule, pairsByStem)
  }

  /// - Parameters:
  ///   - field: The one that the user chooses.
  ///   - shards: What is in them.
  ///   - sources: Where they are.
  /// - Throws: ``ShardError``, also where there is no image.
  init(field: String?, _ shards: [ShardFacts], _ sources: [ShardSource]) throws(ShardError) {
    guard shards.contains(where: { $0.images > 0 }) else { throw Self.noImages(field, shards, sources) }
    let keys = shards.compactMap(\.sharedKeys)
    if keys.isEmpty {
      self.init(field.map(ImageRule.field) ?? .every)
    } else if field == nil, keys.allSatisfy(\.haveOwnCompanions) {
      self.init(.every, pairsByStem: true)
    } else if field == nil, keys.allSatisfy(\.hasOnePlainEach) {
      self.init(.plain)
    } else if field == nil, !Self.recur(keys),
      keys.allSatisfy({ $0.haveOwnStems && !$0.hasPlain && !$0.haveCommonCompanions })
    {
      self.init(.every, pairsByStem: true)
    } else {
      throw Self.sharedKey(shards, sources)
    }
  }

  /// Whether fields come back from key to key: twice or more, on average.
  private static func recur(_ keys: [SharedKeys]) -> Bool {
    guard keys.allSatisfy({ !$0.fields.isEmpty }) else { return false }
    return keys.reduce(0) { $0 + $1.images } >= 2 * Set(keys.flatMap(\.fields)).count
  }

  /// The error about the first key whose image is not clear.
  private static func sharedKey(_ shards: [ShardFacts], _ sources: [ShardSource]) -> ShardError {
    let shared = zip(sources, shards).compactMap { source, shard in
      shard.sharedKeys.map { (source.shortName, $0) }
    }
    let (shard, keys) = shared.first { !$0.1.hasOnePlainEach } ?? shared[0]
    return .sharedKey(shard: shard, key: keys.key, first: keys.first, second: keys.second)
  }

  private static func noImages(_ field: String?, _ shards: [ShardFacts], _ sources: [ShardSource])
    -> ShardError
  {
    func text(_ kinds: [[String: Int]]) -> String {
      kindsText(kinds.reduce(into: [:]) { $0.merge($1) { $0 + $1 } })
    }
    let first = sources[0].description
    guard let field else {
      return .noImages(first: first, shards: sources.count, saw: text(shards.map(\.others)))
    }
    return .noField(
      field, first: first, shards: sources.count, fields: text(shards.map { $0.otherFields.withDots }))
  }
}
