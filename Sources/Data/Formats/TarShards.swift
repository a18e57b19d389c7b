/// Tar files in WebDataset's form, or commands that print them: see ``ShardPattern``.
struct TarShards: DatasetFormat {
  let name = "tar shards"
  let evidence = "tar shards"

  init?(_ location: DatasetLocation) {
    guard ShardPattern.recognizes(location.path) else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    do {
      return try Self.listed(ShardPattern.sources(location.path), options, format: name)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }

  /// Shards whose images are listed first.
  static func listed(
    _ sources: [ShardSource], _ options: OpeningOptions, format: String
  ) throws -> Dataset {
    let index = try ShardIndex(sources, limit: options.decoder.limits.maxFileBytes) {
      options.listing?($0, sources.count)
    }
    return Dataset(
      ShardSamples(index), format: format, classNames: index.classNames, decoder: options.decoder,
      shards: index)
  }
}
