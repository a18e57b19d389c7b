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
      guard options.needsCountsOnly else { return try TarShards.listed(sources, options, format: name) }
      let index = ShardIndex(
        sources, counts: list.shards.map(\.nsamples), limit: options.decoder.limits.maxFileBytes)
      if index.count == 0 { throw ShardError.noImages(first: sources[0].description, shards: sources.count) }
      return Dataset(ShardSamples(index), format: name, decoder: options.decoder, shards: index)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }
}
