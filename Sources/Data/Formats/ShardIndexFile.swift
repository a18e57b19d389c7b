import Foundation

/// A `.json` file that names shards and counts their images: see ``ShardList``.
///
/// Training needs the counts only, and reads nothing before its first step. Where labels or names are needed, the
/// shards are listed as those of a pattern are.
struct ShardIndexFile: DatasetFormat {
  let name = "shard index"
  let evidence = "a shard index"

  init?(_ location: DatasetLocation) {
    guard location.kind == .file, location.path.hasSuffix(".json") else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    do {
      let list = try ShardList(contentsOf: location.path)
      let sources = try list.sources(of: location.path)
      let rule = try rule(of: list, options.imageKey, location.path)
      guard options.needsCountsOnly else {
        return try TarShards.listed(sources, rule.field, options, format: name)
      }
      let index = ShardIndex(
        sources, counts: list.shards.map(\.nsamples), rule: rule, limit: options.decoder.limits.maxFileBytes)
      if index.count == 0 {
        throw ShardError.noImages(first: sources[0].description, shards: sources.count, saw: "")
      }
      return Dataset(ShardSamples(index), format: name, decoder: options.decoder, shards: index)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }

  /// The field that the user names must be the one whose images were counted; an index by others counts samples.
  private func rule(of list: ShardList, _ field: String?, _ path: String) throws(ShardError) -> ImageRule {
    guard let field else { return list.rule ?? .plain }
    if let counted = list.rule, counted != .field(field) {
      throw .badIndex(
        path: path,
        detail:
          "it counts other images than those of .\(field); write one with moco index --image-key \(field)")
    }
    return .field(field)
  }
}
