import Files
import Images

/// The files in an archive, each readable without those before it. Any number of threads may read at once.
protocol FileArchive: Sendable {
  /// Of the images, in the archive's order.
  var names: [String] { get }
  /// Bytes of an image's file.
  func size(_ member: Int) -> Int
  /// Fills `out`, of ``size(_:)`` bytes.
  ///
  /// - Throws: ``ImageError``.
  func read(_ member: Int, into out: UnsafeMutableRawBufferPointer) throws(ImageError)
}

/// Images in an archive.
struct ArchivedImages: FileSource {
  let archive: any FileArchive
  /// Of each image, its place in the archive.
  let members: [Int]
  /// One for each image, or empty.
  let labels: [Int32]
  /// Larger files are refused before they are read.
  let maxFileBytes: Int

  var count: Int { members.count }
  func annotation(_ index: Int) -> Annotation { labels.isEmpty ? .none : .class(Int(labels[index])) }
  func name(_ index: Int) -> String { archive.names[members[index]] }
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    let size = archive.size(members[index])
    guard size <= maxFileBytes else { throw ImageError.fileTooLarge(bytes: size, limit: maxFileBytes) }
    let memory = try scratch.room(forFileOf: size)
    try archive.read(members[index], into: memory)
    return UnsafeRawBufferPointer(memory)
  }
}

/// The classes of images in an archive, by the folders that they lie in there.
///
/// Folders that all images share are left out. Where the first folders that are left are parts, such as train and val,
/// one part is taken. The first folder that is left then names the class; without folders there are no classes.
struct ArchiveClasses: Equatable {
  /// The images' places in `names`, in byte order of their names.
  private(set) var members: [Int]
  private(set) var labels: [Int32] = []
  private(set) var classNames: [String] = []
  private(set) var split: DatasetSplit?

  /// - Parameters:
  ///   - names: With / between folders.
  ///   - path: The archive's.
  ///   - split: The part, where it has parts.
  init(_ names: [String], path: String, split: DatasetSplit) throws(DatasetError) {
    members = names.indices.sorted { names[$0].precedesInBytes(names[$1]) }
    let folders = names.map { $0.split(separator: "/").dropLast() }
    var depth = commonDepth(folders, members)
    let first = Set(members.map { folders[$0].count > depth ? folders[$0][depth].lowercased() : "" })
    if !first.isEmpty, first.isSubset(of: DatasetSplit.allNames) {
      guard let part = split.names.first(where: first.contains) else {
        throw .missingSplit(path: path, split: split, files: split.names.map { $0 + "/" })
      }
      members.removeAll { folders[$0][depth].lowercased() != part }
      self.split = split
      depth = commonDepth(folders, members)
    }
    let classes = Set(members.map { folders[$0].count > depth ? String(folders[$0][depth]) : "" })
    guard classes != [""], !classes.isEmpty else { return }
    if classes.contains(""), let flat = members.first(where: { folders[$0].count <= depth }) {
      let folder = classes.sorted { $0.precedesInBytes($1) }.first { !$0.isEmpty } ?? ""
      throw .mixed(path: path, kinds: ["images (\(names[flat]))", "class folders (\(folder)/)"])
    }
    classNames = classes.sorted { $0.precedesInBytes($1) }
    let number = Dictionary(uniqueKeysWithValues: zip(classNames, Int32(0)...))
    labels = members.map { number[String(folders[$0][depth])] ?? 0 }
  }
}

/// The number of folders that all the images share, from the first on.
private func commonDepth(_ folders: [ArraySlice<Substring>], _ members: [Int]) -> Int {
  guard var shared = members.first.map({ folders[$0] }) else { return 0 }
  for member in members {
    let same = zip(shared, folders[member]).prefix { $0 == $1 }.count
    shared = shared.prefix(same)
  }
  return shared.count
}
