import Foundation

// Foundation's NSString traps on paths of one character, so paths are split here.
extension String {
  /// The folder of a path's last part; `.` if the path has only one part.
  package var parentFolder: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return slash == startIndex ? "/" : String(self[..<slash])
  }

  /// Without a slash at the end.
  package var withoutSlash: String { count > 1 && hasSuffix("/") ? String(dropLast()) : self }

  /// The part after the last slash.
  package var lastPathPart: String {
    lastIndex(of: "/").map { String(self[index(after: $0)...]) } ?? self
  }

  /// The letters behind the last dot of a path's last part, in lower case; empty where there is no dot.
  package var pathExtension: String {
    let name = lastPathPart
    return name.lastIndex(of: ".").map { name[name.index(after: $0)...].lowercased() } ?? ""
  }
}

package func joined(_ folder: String, _ name: String) -> String {
  folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
}

/// A path that is valid in any working directory.
package func absolute(_ path: String) -> String {
  path.hasPrefix("/") ? path : joined(FileManager.default.currentDirectoryPath, path)
}

/// A folder of this program in the user's cache: `name` in `MOCO_CACHE`, else in `XDG_CACHE_HOME`/swift-moco, else in
/// ~/.cache/swift-moco.
package func cacheFolder(_ name: String) -> String {
  let environment = ProcessInfo.processInfo.environment
  let caches = environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache"
  return joined(environment["MOCO_CACHE"] ?? joined(caches, "swift-moco"), name)
}
