/// Tar files in WebDataset's form, or commands that print them: see ``ShardPattern``.
struct TarShards: DatasetFormat {
  let name = "tar shards"
  let evidence = "tar shards"

  init?(_ location: DatasetLocation) {
    guard ShardPattern.recognizes(location.path) else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    do {
      let sources = try ShardPattern.sources(location.path)
      let index = try ShardIndex(sources, limit: options.decoder.limits.maxFileBytes) {
        options.listing?($0, sources.count)
      }
      return Dataset(
        ShardSamples(index), format: name, classNames: index.classNames, decoder: options.decoder,
        shards: index)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }
}
