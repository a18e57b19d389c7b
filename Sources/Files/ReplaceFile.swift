import Foundation

/// The place to write the file of a path: the target of its symbolic links, so that these stay.
/// - Throws: ``FileError`` if something other than a regular file is there.
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

/// Checks, before a long computation, that ``replaceFile(_:_:)`` can write its result.
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

/// Writes a file beside its place and renames it there: readers see the old file or the new one, complete.
///
/// A symbolic link stays; its target is replaced.
/// - Throws: ``FileError``, or the error of `body`; the old file is unchanged then.
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

/// Replaces a file with this text in UTF-8, as ``replaceFile(_:_:)``.
package func replaceFile(_ path: String, with text: String) throws {
  try replaceFile(path) { try $0.write(text) }
}

/// Replaces a file with these bytes, as ``replaceFile(_:_:)``.
package func replaceFile(_ path: String, with data: Data) throws {
  try replaceFile(path) { file in try data.withUnsafeBytes { try file.write($0) } }
}
