import Files
import Foundation
import Images

/// What a folder holds, in byte order and without hidden names. Symbolic links count as what they lead to; those
/// that lead nowhere are left out.
struct FolderListing {
  private let path: String
  private(set) var files: [String] = []
  private(set) var folders: [String] = []

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
      // Asking every file of a million would take minutes, so the kind in the entry is used where it is there.
      switch Int(entry.pointee.d_type) {
      case Int(DT_REG): files.append(name)
      case Int(DT_DIR): folders.append(name)
      default:
        switch FileKind(path + "/" + name) {
        case .file: files.append(name)
        case .folder: folders.append(name)
        case .other, nil: break
        }
      }
    }
    files.sort { $0.precedesInBytes($1) }
    folders.sort { $0.precedesInBytes($1) }
  }

  var isEmpty: Bool { files.isEmpty && folders.isEmpty }
  var images: [String] { images(.named) }

  /// The files that count as images.
  func images(_ finding: ImageFinding) -> [String] {
    files.filter { hasImageExtension($0) || (finding == .recognized && beginsLikeImage(path + "/" + $0)) }
  }

  /// A few names, for a message.
  var examples: [String] {
    let names = folders.map { $0 + "/" } + files
    return names.count <= 4 ? names : names.prefix(3) + ["\(grouped(names.count - 3)) more"]
  }
}

/// What a path leads to; nil if nothing is there.
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

/// Which files of a folder count as images.
public enum ImageFinding: Sendable {
  /// Those with an image's extension.
  case named
  /// Those, and all that begin as an image does.
  case recognized
}

private func beginsLikeImage(_ path: String) -> Bool {
  guard let file = FileHandle(forReadingAtPath: path), let head = try? file.read(upToCount: 16) else {
    return false
  }
  return head.withUnsafeBytes { ImageFormat(sniffing: $0) != nil }
}

func hasImageExtension(_ name: String) -> Bool {
  guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
  return ["jpg", "jpeg", "png", "webp"].contains(name[name.index(after: dot)...].lowercased())
}

/// Finds the images below folders. A folder that several links lead to is walked once, so a loop ends.
struct ImageWalk {
  private struct Identity: Hashable {
    var device: UInt64
    var node: UInt64
  }
  let finding: ImageFinding
  private var visited: Set<Identity> = []

  init(_ finding: ImageFinding) { self.finding = finding }

  /// The images below `folder`, relative to `root`.
  mutating func images(below folder: String, of root: String) throws(DatasetError) -> [String] {
    var found: [String] = []
    var waiting = [folder]
    while let next = waiting.popLast() {
      guard isNew(root + "/" + next) else { continue }
      let listing = try FolderListing(root + "/" + next)
      found += listing.images(finding).map { next + "/" + $0 }
      waiting += listing.folders.reversed().map { next + "/" + $0 }
    }
    return found
  }

  /// Marks a folder as walked; false if it was already.
  mutating func isNew(_ path: String) -> Bool {
    var status = stat()
    guard stat(path, &status) == 0 else { return false }
    return visited.insert(
      Identity(device: UInt64(truncatingIfNeeded: status.st_dev), node: UInt64(status.st_ino))
    ).inserted
  }
}
