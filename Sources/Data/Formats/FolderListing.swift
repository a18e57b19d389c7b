import Files
import Foundation
import Images

/// The names in a folder, in byte order and without hidden ones. Symbolic links count as what they lead to; those
/// that lead nowhere are left out, and counted.
struct FolderListing {
  private let path: String
  private(set) var files: [String] = []
  private(set) var folders: [String] = []
  private(set) var deadLinks = 0

  init(_ path: String) throws(DatasetError) {
    self.path = path
    guard let folder = opendir(path) else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
          String(cString: $0)
        }
      }
      if name.hasPrefix(".") { continue }
      // A `stat` for each of a million files would take minutes, so the kind in the entry is used where it is there.
      switch Int(entry.pointee.d_type) {
      case Int(DT_REG): files.append(name)
      case Int(DT_DIR): add(folder: name)
      default:
        switch FileKind(path + "/" + name) {
        case .file: files.append(name)
        case .folder: add(folder: name)
        case .other: break
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
    if deadLinks > 0 { leftOut.unread["links that lead nowhere"] = deadLinks }
    let images = files.filter { name in
      let kind = NeighbourKind(name) { firstBytes(of: path + "/" + name) }
      leftOut.add(name, kind)
      return kind == .image
    }
    return (images, leftOut)
  }
}

/// Empty for a file that cannot be read.
private func firstBytes(of path: String) -> [UInt8] {
  guard let file = FileHandle(forReadingAtPath: path) else { return [] }
  defer { try? file.close() }
  return (try? file.read(upToCount: NeighbourKind.headBytes)).map { [UInt8]($0 ?? Data()) } ?? []
}

/// The first names, for a message.
func examples(files: [String], folders: [String]) -> [String] {
  let names = folders.map { $0 + "/" } + files
  return names.count <= 4 ? names : names.prefix(3) + ["\(grouped(names.count - 3)) more"]
}

/// The kind of file at a path, after links; nil if nothing is there.
enum FileKind {
  case file, folder, other

  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }
}

func hasImageExtension(_ name: String) -> Bool {
  guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
  return ImageFormat.allExtensions.contains(name[name.index(after: dot)...].lowercased())
}

extension String {
  /// Order of bytes, the same in every locale and on every system.
  func precedesInBytes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
