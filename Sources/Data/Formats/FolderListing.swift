import Files
import Foundation
import Images

/// The names in a folder, each a ``FileName``'s text, in byte order and without hidden ones. Symbolic links count as
/// what they lead to; those that lead nowhere are left out, and counted, and so are pipes, sockets and devices.
struct FolderListing {
  /// The folder as the user gives it, and the way from there.
  private let root: String
  private let way: String
  private(set) var files: [String] = []
  private(set) var folders: [String] = []
  private(set) var deadLinks = 0
  /// Pipes, sockets and devices.
  private(set) var pipes: [String] = []

  /// - Parameters:
  ///   - root: A folder as the user gives it.
  ///   - way: The names of the folders from there on, with slashes between them; empty for the root itself.
  init(_ root: String, _ way: String = "") throws(DatasetError) {
    (self.root, self.way) = (root, way)
    let path = way.isEmpty ? FilePath(root) : FilePath(root, way)
    guard let folder = path.withCString({ opendir($0) }) else {
      throw .unreadable(path: path.text, reason: String(cString: strerror(errno)))
    }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
          FileName.text(UnsafeRawBufferPointer(start: $0, count: strlen($0)))
        }
      }
      if name.hasPrefix(".") { continue }
      // A `stat` for each of a million files would take minutes, so the kind in the entry is used where it is there.
      switch Int(entry.pointee.d_type) {
      case Int(DT_REG): files.append(name)
      case Int(DT_DIR): add(folder: name)
      default:
        switch FileKind(place(of: name)) {
        case .file: files.append(name)
        case .folder: add(folder: name)
        case .other: pipes.append(name)
        case nil: deadLinks += 1
        }
      }
    }
    files.sort { $0.precedesInBytes($1) }
    folders.sort { $0.precedesInBytes($1) }
  }

  private mutating func add(folder: String) {
    if !UnreadKinds.systemFolders.contains(folder.lowercased()) { folders.append(folder) }
  }

  var isEmpty: Bool { files.isEmpty && folders.isEmpty }

  /// The files that count as images, and what else there is.
  func sorted() -> (images: [String], leftOut: LeftOut) {
    var leftOut = LeftOut()
    if deadLinks > 0 { leftOut.unread[LeftOut.deadLinks] = deadLinks }
    // One that is named like an image was meant to be one.
    for pipe in pipes {
      if hasImageExtension(pipe) {
        leftOut.unread[LeftOut.pipes, default: 0] += 1
      } else {
        leftOut.companions[LeftOut.pipes, default: 0] += 1
      }
    }
    let images = files.filter { name in
      let kind = NeighbourKind(name) { firstBytes(of: place(of: name)) }
      leftOut.add(name, kind)
      return kind == .image
    }
    return (images, leftOut)
  }

  private func place(of name: String) -> FilePath {
    FilePath(root, way.isEmpty ? name : way + "/" + name)
  }
}

/// Empty for a file that cannot be read.
private func firstBytes(of path: FilePath) -> [UInt8] {
  // A pipe that took the place of the file would wait for a writer.
  let file = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
  guard file >= 0 else { return [] }
  defer { close(file) }
  return [UInt8](unsafeUninitializedCapacity: NeighbourKind.headBytes) { head, count in
    count = max(0, read(file, head.baseAddress, head.count))
  }
}

/// The first names, for a message.
func examples(files: [String], folders: [String]) -> [String] {
  let names = folders.map { $0 + "/" } + files
  return names.count <= 4 ? names : names.prefix(3) + ["\(grouped(names.count - 3)) more"]
}

/// The kind of file at a path, after links; nil if nothing is there.
enum FileKind {
  case file, folder, other

  init?(_ path: String) { self.init(FilePath(path)) }

  init?(_ path: FilePath) {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }
}

extension String {
  /// Order of bytes, the same in every locale and on every system.
  func precedesInBytes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
