import Files
import Foundation
import Images

/// Images at known places of a tar file, or of the tar files in it. It is not packed.
struct TarMembers: FileArchive {
  let names: [String]
  private let sizes: [Int]
  private let offsets: [Int]
  private let reader: FileReader

  init(_ reader: FileReader, _ listing: ShardListing) {
    self.reader = reader
    (names, sizes, offsets) = (listing.names, listing.sizes, listing.offsets ?? [])
  }

  /// The images of a flat tar file.
  ///
  /// - Parameter limit: The largest file that is read, bytes.
  init(flat path: String, limit: Int) throws(DatasetError) {
    self = try readingDataset(path) {
      let listing = try ShardListing(imagesOf: path, part: nil, folder: "", limit: limit)
      return TarMembers(try FileReader(path), listing)
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
  /// Images that are read one by one: names, sizes and places in the file.
  init(names: [String], sizes: [Int], offsets: [Int]) {
    (self.names, self.sizes, self.offsets) = (names, sizes, offsets)
    labels = nil
  }

  /// The images of a plain tar file, or of the tar file that is a part of it. Only headers are read.
  ///
  /// - Parameters:
  ///   - folder: Goes in front of the names, with its slash.
  ///   - limit: The largest file that is read, bytes.
  init(imagesOf path: String, part: Range<Int>?, folder: String, limit: Int) throws {
    let reader = try TarReader(.file(path), part: part, limit: limit, blockBytes: 4096)
    var (names, sizes, offsets) = ([String](), [Int](), [Int]())
    while let member = try reader.next() {
      guard isArchivedImage(member.name) else { continue }
      guard let offset = member.offset else {
        throw DatasetError.badFile(
          reason: "\(path) is packed, so its images cannot be read one by one; unpack it once")
      }
      names.append(folder + member.name)
      sizes.append(member.size)
      offsets.append(offset)
    }
    self.init(names: names, sizes: sizes, offsets: offsets)
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
      let known = cache?.listing(of: .file(path), limit: limit)
      let listing = try known ?? Self.listing(path, limit, options.listing)
      if known == nil { cache?.store(listing, of: .file(path), limit: limit) }
      let archive = TarMembers(try FileReader(path), listing)
      let folders = listing.names.map { $0.prefix { $0 != "/" } }
      let classNames = Set(folders).map(String.init).sorted { $0.precedesInBytes($1) }
      let number = Dictionary(uniqueKeysWithValues: zip(classNames, Int32(0)...))
      let members = listing.names.indices.sorted { listing.names[$0].precedesInBytes(listing.names[$1]) }
      let images = ArchivedImages(
        archive: archive, members: members, labels: members.map { number[String(folders[$0])] ?? 0 },
        maxFileBytes: limit)
      return Dataset(images, format: name, classNames: classNames, decoder: options.decoder)
    }
  }

  private static func listing(
    _ path: String, _ limit: Int, _ progress: ((Int, Int) -> Void)?
  ) throws -> ShardListing {
    let inner = try innerTars(path)
    let listings = try inParallel(
      inner.count, threads: Cores.usable, each: { progress?($0, inner.count) }
    ) { number in
      let tar = inner[number]
      do {
        return try ShardListing(imagesOf: path, part: tar.range, folder: tar.className + "/", limit: limit)
      } catch let error as ShardError {
        throw DatasetError.badFile(reason: "\(tar.className).tar in \(error)")
      }
    }
    let all = ShardListing(
      names: listings.flatMap(\.names), sizes: listings.flatMap(\.sizes),
      offsets: listings.flatMap { $0.offsets ?? [] })
    guard !all.names.isEmpty else {
      throw DatasetError.noImages(
        path: path, saw: examples(files: inner.map { $0.className + ".tar" }, folders: []))
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
