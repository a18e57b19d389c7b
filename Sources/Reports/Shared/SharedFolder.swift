import Files
import Foundation

/// The folder of results that several processes may write to.
struct SharedFolder {
  let path: String

  /// Runs `body` while no other process does the same in this folder, which is made if needed.
  func exclusively<Result>(_ body: () throws -> Result) throws -> Result {
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let lock: FileLock
    do {
      lock = try FileLock(path + "/.lock", waits: true)
    } catch .unwritable(let reason) {
      throw RunError("--out \(path): cannot write there: \(reason).")
    } catch .unlockable(let reason) {
      throw RunError("\(path)/.lock: cannot be locked: \(reason).")
    } catch .inUse {
      preconditionFailure("a lock that is waited for is in use")
    }
    return try withExtendedLifetime(lock) { try body() }
  }
}

/// A name for a folder, safe on every file system: lower case, other characters become hyphens.
func folderName(_ parts: [String]) -> String {
  let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyz0123456789.=+-,_")
  let safe = parts.joined(separator: ",").lowercased().unicodeScalars.map {
    allowed.contains($0) ? Character($0) : "-"
  }
  return String(safe)
}
