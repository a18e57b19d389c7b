import Files
import Foundation

/// The folder of the results of a test without training (`--eval-only`): the one that `--out` names, or `eval/` in a run's, whose
/// own results stay as they are.
///
/// It is locked while a process tests into it.
package final class EvaluationFolder {
  /// The name of the folder in a run's.
  package static let name = "eval"

  package let path: String
  private let lock: FileLock

  /// Where the results go.
  /// - Parameter network: The run or the checkpoint that is tested.
  package static func path(_ out: String, network: String) -> String {
    let out = out.withoutSlash
    let isRun = network.withoutSlash == out || RunFolder.isRun(out)
    return isRun ? joined(out, name) : out
  }

  /// Opens or makes the folder, and locks it.
  /// - Throws: `UsageError` for a folder of other files, because label maps of earlier tests are removed there, and where another
  ///   process tests into it.
  init(_ path: String) throws {
    let found = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let others = found.filter { !$0.hasPrefix(".") }.sorted()
    if let other = others.first, !found.contains(RunFolder.lockName) {
      throw UsageError(
        "--out \(path): the folder is not empty (\(other)) and holds no results of a test. Choose a new one.")
    }
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw RunError("--out \(path): the folder cannot be made.")
    }
    do {
      lock = try FileLock(joined(path, RunFolder.lockName))
    } catch {
      throw RunFolder.error(error, path, while: "testing into")
    }
    self.path = path
  }
}
