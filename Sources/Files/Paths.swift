import Foundation

// Foundation's NSString traps on paths of one character, so paths are split here.
extension String {
  /// The folder that a path's last part lies in; `.` where the path names none.
  package var parentFolder: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return slash == startIndex ? "/" : String(self[..<slash])
  }

  /// What stands behind a path's last slash.
  package var lastPathPart: String {
    lastIndex(of: "/").map { String(self[index(after: $0)...]) } ?? self
  }
}

package func joined(_ folder: String, _ name: String) -> String {
  folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
}

/// Where a file is written that is to be found at a path: at the end of symbolic links, so that these stay.
/// - Throws: ``FileError`` where something stands there that is no regular file.
private func writingPlace(_ path: String) throws -> String {
  guard !path.lastPathPart.isEmpty else { throw FileError(.write, path, code: EISDIR) }
  var place = path
  for _ in 0..<40 {  // as many as the system follows
    var status = stat()
    guard lstat(place, &status) == 0 else { return place }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return place
    case S_IFDIR: throw FileError(.write, path, code: EISDIR)
    case S_IFLNK:
      let target = try reportingFileErrors(.open, path) {
        try FileManager.default.destinationOfSymbolicLink(atPath: place)
      }
      place = target.hasPrefix("/") ? target : joined(place.parentFolder, target)
    default: throw FileError(.write, path, code: EINVAL)
    }
  }
  throw FileError(.open, path, code: ELOOP)
}

/// Refuses a path at which ``replaceFile(_:_:)`` could not write, before work is done for what is to stand there.
/// - Parameter makesFolders: whether folders that are missing will be made.
/// - Throws: ``FileError``.
package func checkReplaceable(_ path: String, makesFolders: Bool = false) throws {
  var folder = try writingPlace(path).parentFolder
  while makesFolders, folder != ".", folder != "/", !FileManager.default.fileExists(atPath: folder) {
    folder = folder.parentFolder
  }
  var status = stat()
  guard stat(folder, &status) == 0 else { throw FileError(.writeInto, folder) }
  guard status.st_mode & S_IFMT == S_IFDIR else { throw FileError(.writeInto, folder, code: ENOTDIR) }
  guard access(folder, W_OK | X_OK) == 0 else { throw FileError(.writeInto, folder) }
}

/// Writes a file beside its place and renames it there: readers see the old one or the new one, whole.
///
/// A symbolic link stays and what it leads to is replaced.
/// - Throws: ``FileError``, and what `body` throws; then nothing was changed.
package func replaceFile<Result>(_ path: String, _ body: (FileWriter) throws -> Result) throws -> Result {
  let place = try writingPlace(path)
  let folder = place.parentFolder
  // A name that no other writer has, of this machine or another.
  let random = String(UInt32.random(in: 0...UInt32.max), radix: 16)
  let temporary = joined(folder, "\(unfinishedPrefix)\(getpid())-\(random)")
  do {
    let result = try writeFile(temporary, body)
    try renameItem(temporary, to: place)
    try syncFolder(folder)
    return result
  } catch let error as FileError where error.path == temporary {
    if error.operation != .open { unlink(temporary) }
    throw FileError(error.operation, path, code: error.code)
  } catch {
    unlink(temporary)
    throw error
  }
}
