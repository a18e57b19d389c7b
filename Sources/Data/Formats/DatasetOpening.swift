import Foundation
import Images

extension Dataset {
  /// Opens a folder of class folders, a folder of images, a `.txt` list, tar shards (see ``ShardPattern``), a folder
  /// of IDX files (MNIST family) or of CIFAR binaries.
  ///
  /// - Parameters:
  ///   - decoder: Decodes the images, within its limits.
  ///   - path: A folder, a list, or the pattern of shards.
  ///   - split: Which part; matters where ``Format/hasSplits`` is true.
  ///   - allowsOneImage: For a search; contrast needs two.
  ///   - finding: Which files of a folder count as images.
  ///   - listing: Told of shards how many of how many are listed, on other threads.
  /// - Throws: ``DatasetError``.
  public static func open(
    _ path: String, split: DatasetSplit = .train, decoder: ImageDecoder = ImageDecoder(),
    allowsOneImage: Bool = false, finding: ImageFinding = .named,
    listing: ((Int, Int) -> Void)? = nil
  ) throws(DatasetError) -> Dataset {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let dataset =
      try ShardPattern.recognizes(path)
      ? openShards(path, decoder, listing) : recognize(path, split, decoder, finding)
    guard dataset.count > 1 || (allowsOneImage && dataset.count == 1) else { throw .oneImage(path: path) }
    return dataset
  }

  private static func recognize(
    _ path: String, _ split: DatasetSplit, _ decoder: ImageDecoder, _ finding: ImageFinding
  ) throws(DatasetError) -> Dataset {
    switch FileKind(path) {
    case .folder:
      return try openFolder(path, split, decoder, finding)
    case .file where path.hasSuffix(".txt"):
      return try openList(path, decoder)
    case nil:
      throw .missing(path: path)
    case .file, .other:
      throw .notAFolder(path: path)
    }
  }

  private static func openShards(
    _ pattern: String, _ decoder: ImageDecoder, _ listing: ((Int, Int) -> Void)?
  ) throws(DatasetError) -> Dataset {
    do {
      let sources = try ShardPattern.sources(pattern)
      let index = try ShardIndex(sources, limit: decoder.limits.maxFileBytes) { listing?($0, sources.count) }
      return Dataset(
        ShardSamples(index), format: .shards, classNames: index.classNames, decoder: decoder, shards: index)
    } catch {
      throw .badFile(reason: "\(error)")
    }
  }

  private static func openFolder(
    _ path: String, _ split: DatasetSplit, _ decoder: ImageDecoder, _ finding: ImageFinding
  ) throws(DatasetError) -> Dataset {
    let listing = try FolderListing(path)
    if listing.isEmpty { throw .emptyFolder(path: path) }
    let images = listing.images(finding)
    let idx = IDXFolder(listing)
    let cifar = CIFARFolder(listing)

    let parts: Set = ["train", "training", "test", "testing", "val", "valid", "validation"]
    let onlyParts = !listing.folders.isEmpty && listing.folders.allSatisfy { parts.contains($0.lowercased()) }
    if onlyParts, images.isEmpty, idx == nil, cifar == nil {
      throw .onlyParts(path: path, parts: listing.folders)
    }

    var walk = ImageWalk(finding)
    _ = walk.isNew(path)
    var classes: [(name: String, images: [String])] = []
    for folder in listing.folders {
      let found = try walk.images(below: folder, of: path)
      if !found.isEmpty { classes.append((folder, found)) }
    }

    var kinds: [String] = []
    if let first = images.first { kinds.append("images (\(first))") }
    if let first = classes.first { kinds.append("class folders (\(first.name)/)") }
    if let idx { kinds.append("IDX files (\(idx.example))") }
    if let cifar { kinds.append("CIFAR files (\(cifar.example))") }
    guard kinds.count <= 1 else { throw .mixed(path: path, kinds: kinds) }

    if let idx { return try idx.open(path, split) }
    if let cifar { return try cifar.open(path, split) }
    if !images.isEmpty {
      return Dataset(
        ImageFiles(root: path, paths: images, labels: [], maxFileBytes: decoder.limits.maxFileBytes),
        format: .flatFolder, decoder: decoder)
    }
    if !classes.isEmpty { return classFolders(path, classes, decoder) }
    throw .noImages(path: path, saw: listing.examples)
  }

  private static func classFolders(
    _ path: String, _ classes: [(name: String, images: [String])], _ decoder: ImageDecoder
  ) -> Dataset {
    let labeled = classes.enumerated()
      .flatMap { label, entry in entry.images.map { (path: $0, label: Int32(label)) } }
      .sorted { $0.path.precedesInBytes($1.path) }
    let files = ImageFiles(
      root: path, paths: labeled.map(\.path), labels: labeled.map(\.label),
      maxFileBytes: decoder.limits.maxFileBytes)
    return Dataset(files, format: .classFolders, classNames: classes.map(\.name), decoder: decoder)
  }
}
