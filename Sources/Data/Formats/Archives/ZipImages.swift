import CArchives
import Files
import Images

/// A zip file of images, flat or in class folders. Nothing is unpacked to the disk: an image is read from its place.
struct ZipImages: DatasetFormat {
  let name = "zip archive"
  let evidence = "a zip archive"

  init?(_ location: DatasetLocation) {
    guard location.kind == .file, location.path.lowercased().hasSuffix(".zip") else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    let path = location.path
    let archive = try ZipMembers(path)
    guard !archive.names.isEmpty else {
      if let inner = archive.innerSet {
        throw .badFile(
          reason:
            "\(path) holds no image, but \(inner), which is a data set by itself; unpack the zip file and give "
            + "\(inner.lastPathPart)")
      }
      throw .noImages(path: path, saw: archive.others)
    }
    let classes = try ArchiveClasses(archive.names, path: path, split: options.split)
    let images = ArchivedImages(
      archive: archive, members: classes.members, labels: classes.labels,
      maxFileBytes: options.decoder.limits.maxFileBytes)
    return Dataset(
      images, format: name, split: classes.split, classNames: classes.classNames, decoder: options.decoder,
      leftOut: archive.leftOut)
  }
}

/// The images of a zip file.
struct ZipMembers: FileArchive {
  let names: [String]
  /// A few names of files that are no images.
  let others: [String]
  /// The name of the first that is a data set by itself, such as a tar file.
  let innerSet: String?
  /// The same, counted by kind.
  let leftOut: LeftOut
  private let reader: FileReader
  private let directory: ZipDirectory
  private let entries: [ZipDirectory.Listed]

  private static let entryLimit = 4_000_000
  private static let listLimit = 512 << 20
  private static let nameLimit = 4096
  /// Deflate cannot pack more tightly.
  private static let ratioLimit = 1032

  /// Reads the list of contents; nothing of an image.
  init(_ path: String) throws(DatasetError) {
    let (reader, directory, listed) = try readingDataset(path) {
      let reader = try FileReader(path)
      let directory = try ZipDirectory(reader, listLimit: Self.listLimit)
      let listed = try directory.listed(
        limit: Self.entryLimit, nameLimit: Self.nameLimit, ratioLimit: Self.ratioLimit)
      try directory.checkOverlap(listed)
      return (reader, directory, listed)
    }
    (self.reader, self.directory) = (reader, directory)
    entries = listed.filter { isArchivedImage($0.name) }
    names = entries.map(\.name)
    let rest = listed.map(\.name).filter { !$0.hasSuffix("/") && isVisible($0) && !isArchivedImage($0) }
    others = examples(files: rest, folders: [])
    innerSet = rest.first(where: UnreadSet.isReadAlone)
    leftOut = rest.reduce(into: LeftOut()) { counts, name in
      // By its name alone: its bytes are packed.
      counts.add(name, NeighbourKind(name.lastPathPart) { [] })
    }
    guard Set(names).count == names.count else {
      throw .badFile(reason: "\(path) has two entries of one name; pack it again")
    }
  }

  func size(_ member: Int) -> Int { entries[member].count }

  func read(_ member: Int, into out: UnsafeMutableRawBufferPointer) throws(ImageError) {
    let entry = entries[member]
    do {
      let part = try PartReader(
        reader, try directory.range(of: entry), entry.isDeflated ? .deflate : .stored, name: "it")
      try part.read(into: out)
      try part.finish()
      guard part.checksum == entry.crc else { throw ImageError.unreadable(reason: "its checksum is wrong") }
    } catch let error as ImageError {
      throw error
    } catch let error as FileError {
      throw .unavailable(reason: error.reason)
    } catch {
      throw .unreadable(reason: "its place in the zip file is damaged; fetch or pack it again")
    }
  }
}

/// Whether a member of an archive is an image: by its extension, and neither hidden nor of macOS's own folder.
func isArchivedImage(_ name: String) -> Bool { hasImageExtension(name) && isVisible(name) }

private func isVisible(_ name: String) -> Bool {
  !name.split(separator: "/").contains { $0.hasPrefix(".") || $0 == "__MACOSX" }
}
