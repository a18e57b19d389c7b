import Files
import Foundation
import Images

/// A folder for each class, with images at any depth below it.
struct ClassFolders: DatasetFormat {
  let name = "class folders"
  var evidence: String { "class folders (\(classes.first?.name ?? "")/)" }
  private var classes: [(name: String, images: [String])] = []
  private var leftOut = LeftOut()

  init?(_ location: DatasetLocation) throws(DatasetError) {
    let hasOnlyParts =
      !location.folders.isEmpty
      && location.folders.allSatisfy { DatasetSplit.allNames.contains($0.lowercased()) }
    if hasOnlyParts, location.images.isEmpty, !location.isClaimed {
      throw .onlyParts(path: location.path, parts: location.folders)
    }
    var walk = ImageWalk()
    _ = walk.isNew(FilePath(location.path))
    for folder in location.folders {
      let found = try walk.images(below: folder, of: location.path)
      leftOut.add(found.leftOut)
      if !found.images.isEmpty { classes.append((folder, found.images)) }
    }
    if classes.isEmpty { return nil }
    leftOut.add(location.leftOut)
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) -> Dataset {
    let labeled = classes.enumerated()
      .flatMap { label, entry in entry.images.map { (path: $0, label: Int32(label)) } }
      .sorted { $0.path.precedesInBytes($1.path) }
    let files = ImageFiles(
      root: location.path, paths: labeled.map(\.path), labels: labeled.map(\.label),
      maxFileBytes: options.decoder.limits.maxFileBytes)
    return Dataset(
      files, format: name, classNames: classes.map(\.name), decoder: options.decoder, leftOut: leftOut)
  }
}

/// A folder with images in it and no labels.
struct ImageFolder: DatasetFormat {
  let name = "folder of images"
  var evidence: String { "images (\(images.first ?? ""))" }
  private let images: [String]

  init?(_ location: DatasetLocation) {
    images = location.images
    if images.isEmpty { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    // Folders beside the images hold none, or they would be classes; they are no classes that are missing.
    var leftOut = try location.leftOutOfAll()
    leftOut.folders.removeAll(where: \.unread.isEmpty)
    return Dataset(
      ImageFiles(
        root: location.path, paths: images, labels: [], maxFileBytes: options.decoder.limits.maxFileBytes),
      format: name, decoder: options.decoder, leftOut: leftOut)
  }
}

extension DatasetLocation {
  /// The files and folders left out, here and at any depth. There are no images below it, or they would be classes.
  func leftOutOfAll() throws(DatasetError) -> LeftOut {
    var (walk, all) = (ImageWalk(), leftOut)
    _ = walk.isNew(FilePath(path))
    for folder in folders { all.add(try walk.images(below: folder, of: path).leftOut) }
    return all
  }
}

/// Images in files of their own.
struct ImageFiles: FileSource {
  /// The folder that relative paths start from.
  var root: String
  /// ``FileName``'s text.
  var paths: [String]
  /// One for each path, or empty.
  var labels: [Int32]
  /// Larger files are refused before they are read.
  var maxFileBytes: Int

  var count: Int { paths.count }
  func annotation(_ index: Int) -> Annotation { labels.isEmpty ? .none : .class(Int(labels[index])) }
  func name(_ index: Int) -> String { paths[index] }
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    try scratch.read(FilePath(root, paths[index]), limit: maxFileBytes)
  }
}

/// Finds the images below folders. A folder that several links lead to is walked once, so a loop ends.
private struct ImageWalk {
  private struct Identity: Hashable {
    var device: UInt64
    var node: UInt64
  }
  private var visited: Set<Identity> = []

  /// The images below `folder`, relative to `root`, and what else there is.
  mutating func images(below folder: String, of root: String) throws(DatasetError) -> (
    images: [String], leftOut: LeftOut
  ) {
    guard isNew(FilePath(root, folder)) else {
      return ([], LeftOut(folders: [.init(name: folder, isRepeated: true)]))
    }
    var found: [String] = []
    var leftOut = LeftOut()
    var waiting = [folder]
    while let next = waiting.popLast() {
      guard next == folder || isNew(FilePath(root, next)) else { continue }
      let listing = try FolderListing(root, next)
      let sorted = listing.sorted()
      found += sorted.images.map { next + "/" + $0 }
      leftOut.add(sorted.leftOut)
      waiting += listing.folders.reversed().map { next + "/" + $0 }
    }
    if found.isEmpty {
      leftOut.folders = [.init(name: folder, unread: leftOut.unread, companions: leftOut.companions)]
    }
    return (found, leftOut)
  }

  /// Marks a folder as walked; false if it was already.
  mutating func isNew(_ path: FilePath) -> Bool {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) == 0 else { return false }
    return visited.insert(
      Identity(device: UInt64(truncatingIfNeeded: status.st_dev), node: UInt64(status.st_ino))
    ).inserted
  }
}
