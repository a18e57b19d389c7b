/// Tar files in WebDataset's form, or commands that print them: see ``ShardPattern``.
struct TarShards: DatasetFormat {
  let name = "tar shards"
  let evidence = "tar shards"

  init?(_ location: DatasetLocation) {
    guard ShardPattern.recognizes(location.path) else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    do {
      return try Self.listed(ShardPattern.sources(location.path), options.imageKey, options, format: name)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }

  /// Shards whose images are listed first.
  ///
  /// - Parameter field: Whose members are the images; nil lets ``ImageChoice`` find out.
  static func listed(
    _ sources: [ShardSource], _ field: String?, _ options: OpeningOptions, format: String
  ) throws -> Dataset {
    let index = try ShardIndex(
      sources, field: field, limit: options.decoder.limits.maxFileBytes, retries: options.retries
    ) {
      options.listing?($0, sources.count)
    }
    return Dataset(
      ShardSamples(index), format: format, classNames: index.classNames, decoder: options.decoder,
      shards: index, leftOut: LeftOut(unread: index.unread))
  }
}

/// A folder of tar shards and of no images.
struct ShardFolder: DatasetFormat {
  let name = "tar shards"  // as of a pattern: a run on either goes on on the other
  let evidence = "tar shards"

  init?(_ location: DatasetLocation) {
    // Where there are images, an archive beside them is where they came from.
    guard !location.isClaimed, location.files.contains(where: ShardPattern.hasEnding) else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    do {
      return try TarShards.listed(
        ShardPattern.sources(inFolder: location.path), options.imageKey, options, format: name)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }
}
