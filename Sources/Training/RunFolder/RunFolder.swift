import Data
import Files
import Foundation
import Methods

/// The folder of one run: `config.yaml`, `log.jsonl`, `events.out.tfevents.*`, `views.png`, `checkpoints/`,
/// `bad-files.txt`; of a detector or segmenter also its results and `weights.txt`.
///
/// It is locked while a process trains in it, so that two processes cannot write to one run.
package final class RunFolder {
  package let path: String
  private let lock: FileLock

  package var configPath: String { path + "/config.yaml" }
  package var logPath: String { path + "/log.jsonl" }
  package var checkpointsPath: String { path + "/checkpoints" }
  package var viewsPath: String { path + "/views.png" }
  package var badFilesPath: String { path + "/bad-files.txt" }
  /// The file of the latest test's detections, in COCO's results format.
  package static let resultsName = "results.json"
  /// The folder of the latest test's label maps.
  package static let predictionsName = "predictions"
  /// The file of the latest test's pixels by true and predicted class.
  package static let confusionName = "confusion.csv"
  /// The same as a picture.
  package static let confusionPictureName = "confusion.svg"
  /// The file that is locked while a process writes into the folder.
  static let lockName = ".lock"
  /// The origin of each tensor of a detector or segmenter.
  package var weightsPath: String { path + "/weights.txt" }

  /// Opens or makes the folder, and locks it. ``check(_:for:resume:)`` comes first.
  package init(_ path: String) throws {
    self.path = path.withoutSlash
    do {
      try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    } catch {
      throw RunError(
        "--out \(path): the folder cannot be made. Check that what it lies in is a folder you may write to.")
    }
    do {
      lock = try FileLock(joined(self.path, RunFolder.lockName))
    } catch {
      throw RunFolder.error(error, path, while: "training in")
    }
  }

  /// Writes the configuration in use, unless the file has it already.
  package func write(_ config: some CommandConfig) throws {
    guard RunFolder.config(path, as: type(of: config)) != config else { return }
    try replaceFile(configPath, with: config.yaml())
  }

  /// Adds files to the list of bad files. Returns the number of all that are listed; nil if none is new.
  func note(bad files: [BadFile]) throws -> Int? {
    let known = (try? String(contentsOfFile: badFilesPath, encoding: .utf8)) ?? ""
    var lines = known.split(separator: "\n").map(String.init)
    var listed = Set(lines)
    let new = files.map(\.description).filter { listed.insert($0).inserted }
    guard !new.isEmpty else { return nil }
    lines += new
    try replaceFile(badFilesPath, with: lines.joined(separator: "\n") + "\n")
    return lines.count
  }

  /// - Parameter work: What the other process does where it holds the lock: "training in".
  static func error(_ failure: FileLock.Failure, _ path: String, while work: String) -> any Error {
    switch failure {
    case .inUse:
      UsageError(
        "--out \(path): another process is \(work) this folder. Wait for it, or choose another.")
    case .unwritable(let reason): RunError("--out \(path): cannot write there: \(reason).")
    case .unlockable(let reason):
      RunError(
        "--out \(path): the folder cannot be locked: \(reason). Choose one on a file system that knows locks."
      )
    }
  }

  /// Raises an error where a folder cannot be used for a run: it holds another run or other files. Changes nothing.
  package static func check<Config: CommandConfig>(
    _ path: String, for config: Config, resume: Pretraining.Resume
  ) throws {
    let path = path.withoutSlash
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return }
    guard isFolder.boolValue else { throw UsageError("--out \(path): this is a file, not a folder.") }
    let configPath = path + "/config.yaml"
    guard let yaml = try? String(contentsOfFile: configPath, encoding: .utf8) else {
      let found = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      let others = found.filter { !$0.hasPrefix(".") }.sorted()
      guard others.isEmpty else {
        throw UsageError(
          "--out \(path): the folder is not empty (\(others[0])) and holds no run. Choose a new one.")
      }
      return
    }
    let existing = try Config(yaml: yaml, source: configPath)
    let differences = existing.differences(from: config)
    guard differences.isEmpty else {
      throw UsageError(
        "--out \(path): the folder holds another run (\(differences.joined(separator: "; "))). "
          + "Choose another folder, or repeat that run's options to continue it."
          + (resume == .auto
            ? " With other options it goes on in a new folder: --resume \(path) --out NEW." : ""))
    }
    switch resume {
    case .auto: return
    case .never:
      throw UsageError(
        "--out \(path): the folder holds a run already. Leave out --resume never to continue it, or choose another."
      )
    case .from(let origin):
      throw UsageError(
        "--out \(path): the folder holds a run already, which did not begin with --resume \(origin). Leave that out "
          + "to continue it, or choose another folder.")
    }
  }
}

extension RunFolder {
  /// Whether a run has begun in a folder.
  static func isRun(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: joined(path, "config.yaml"))
  }

  /// The configuration of the run in a folder; nil if there is none that can be read.
  static func config<Config: CommandConfig>(_ path: String, as type: Config.Type = RunConfig.self) -> Config?
  {
    let file = path + "/config.yaml"
    guard let yaml = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
    return try? Config(yaml: yaml, source: file)
  }

  /// Whether a run's folder has a checkpoint, good or damaged.
  static func hasCheckpoint(_ path: String) -> Bool {
    let names = try? FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints")
    return names?.contains { $0.hasPrefix("step-") } ?? false
  }

  /// Whether a process is training in the folder.
  package static func isInUse(_ path: String) -> Bool {
    FileLock.isHeld(joined(path, lockName))
  }
}
