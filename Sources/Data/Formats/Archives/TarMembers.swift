import Files
import Foundation
import Images

/// Images at known places of a tar file, or of the tar files in it. It is not packed.
struct TarMembers: FileArchive {
  let names: [String]
  private let sizes: [Int]
  private let offsets: [Int]
  private let reader: FileReader

  init(_ reader: FileReader, _ images: ShardImages) {
    self.reader = reader
    (names, sizes, offsets) = (images.names, images.sizes, images.offsets ?? [])
  }

  /// The images of a flat tar file.
  ///
  /// - Parameter limit: The largest file that is read, bytes.
  init(flat path: String, limit: Int) throws(DatasetError) {
    self = try readingDataset(path) {
      let images = try ShardImages(of: path, part: nil, folder: "", limit: limit)
      return TarMembers(try FileReader(path), images)
    }
  }

  func size(_ member: Int) -> Int { sizes[member] }

  func read(_ member: Int, into out: UnsafeMutableRawBufferPointer) throws(ImageError) {
    do {
      try reader.read(into: out, from: offsets[member])
    } catch {
      throw .unavailable(reason: (error as? FileError)?.reason ?? "\(error)")
    }
  }
}

extension ShardListing {
  /// Images that are read one by one.
  init(_ images: ShardImages) {
    self.images = images
    labels = Array(repeating: -1, count: images.names.count)
  }
}

extension ShardImages {
  /// The images of a plain tar file, or of the tar file that is a part of it. Only headers are read.
  ///
  /// - Parameters:
  ///   - folder: Goes in front of the names, with its slash.
  ///   - limit: The largest file that is read, bytes.
  init(of path: String, part: Range<Int>?, folder: String, limit: Int) throws {
    let reader = try TarReader(.file(path), part: part, limit: limit, blockBytes: 4096)
    self.init()
    while var member = try reader.next() {
      guard isArchivedImage(member.name) else { continue }
      guard member.offset != nil else {
        throw DatasetError.badFile(
          reason: "\(path) is packed, so its images cannot be read one by one; unpack it once")
      }
      member.name = folder + member.name
      add(member)
    }
  }
}

/// A tar file of tar files, one for each class, as `ILSVRC2012_img_train.tar` is downloaded. Nothing is unpacked: the
/// inner files' headers are read once, and then each image from its place. A class is named by its tar file.
struct NestedTars: DatasetFormat {
  let name = "tar of class tars"
  let evidence = "a tar of tars"

  init?(_ location: DatasetLocation) {
    // Where it cannot be read, the format of shards reports it.
    guard location.kind == .file, location.path.lowercased().hasSuffix(".tar"),
      let reader = try? TarReader(.file(location.path), limit: .max, blockBytes: 4096),
      let first = try? reader.next(), isTar(first.name)
    else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    try open(location.path, options, cache: ShardIndexCache(folder: cacheFolder("tars-of-tars")))
  }

  func open(
    _ path: String, _ options: OpeningOptions, cache: ShardIndexCache?
  ) throws(DatasetError) -> Dataset {
    try readingDataset(path) {
      let limit = options.decoder.limits.maxFileBytes
      let known = cache?.listing(of: .file(path), field: nil, limit: limit)
      let listing = try known ?? ShardListing(Self.images(path, limit, options.listing))
      if known == nil { cache?.store(listing, of: .file(path), field: nil, limit: limit) }
      let names = listing.images.names
      let archive = TarMembers(try FileReader(path), listing.images)
      let folders = names.map { $0.prefix { $0 != "/" } }
      let classNames = Set(folders).map(String.init).sorted { $0.precedesInBytes($1) }
      let number = Dictionary(uniqueKeysWithValues: zip(classNames, Int32(0)...))
      let members = names.indices.sorted { names[$0].precedesInBytes(names[$1]) }
      let images = ArchivedImages(
        archive: archive, members: members, labels: members.map { number[String(folders[$0])] ?? 0 },
        maxFileBytes: limit)
      return Dataset(images, format: name, classNames: classNames, decoder: options.decoder)
    }
  }

  private static func images(
    _ path: String, _ limit: Int, _ progress: ((Int, Int) -> Void)?
  ) throws -> ShardImages {
    let inner = try innerTars(path)
    let parts = try inParallel(
      inner.count, threads: Cores.usable, each: { progress?($0, inner.count) }
    ) { number in
      let tar = inner[number]
      do {
        return try ShardImages(of: path, part: tar.range, folder: tar.className + "/", limit: limit)
      } catch let error as ShardError {
        throw DatasetError.badFile(reason: "\(tar.className).tar in \(error)")
      }
    }
    let all = ShardImages(
      names: parts.flatMap(\.names), sizes: parts.flatMap(\.sizes),
      offsets: parts.flatMap { $0.offsets ?? [] })
    guard !all.names.isEmpty else {
      throw DatasetError.noImages(
        path: path, saw: examples(files: inner.map { $0.className + ".tar" }, folders: []))
    }
    if let empty = parts.firstIndex(where: { $0.names.isEmpty }) {
      throw DatasetError.badFile(
        reason:
          "\(path): \(inner[empty].className).tar in it holds no image that is read; pack it again without it"
      )
    }
    return all
  }

  private struct InnerTar: Sendable {
    var className: String
    var range: Range<Int>
  }

  private static func innerTars(_ path: String) throws -> [InnerTar] {
    let reader = try TarReader(.file(path), limit: .max, blockBytes: 4096)
    let bytes = try FileReader(path).count
    var tars: [InnerTar] = []
    var names: Set<String> = []
    while let member = try reader.next() {
      if isArchivedImage(member.name) {
        throw DatasetError.mixed(
          path: path, kinds: ["tar files (\(tars.first?.className ?? "").tar)", "images (\(member.name))"])
      }
      guard isTar(member.name) else { continue }
      guard let offset = member.offset else {
        throw DatasetError.badFile(reason: "\(path) is packed and holds tar files; unpack it once")
      }
      let name = String(member.name.lastPathPart.dropLast(".tar".count))
      guard offset <= bytes, member.size <= bytes - offset else {
        throw DatasetError.badFile(reason: "\(path) ends inside of \(name).tar; fetch it again")
      }
      guard names.insert(name).inserted else {
        throw DatasetError.badFile(reason: "\(path) holds two tar files \(name).tar; pack it again")
      }
      tars.append(InnerTar(className: name, range: offset..<offset + member.size))
    }
    return tars
  }
}

private func isTar(_ name: String) -> Bool {
  name.lowercased().hasSuffix(".tar") && !name.lastPathPart.hasPrefix(".")
}
