import Checkpoints
import Foundation

/// The folder of one run: `config.yaml`, `log.jsonl`, `events.out.tfevents.*`, `views.png`, `checkpoints/`,
/// `bad-files.txt`.
///
/// It is locked while a process trains in it, so that two cannot write to one run.
public final class RunFolder {
  public let path: String
  private let lock: Int32

  public var configPath: String { path + "/config.yaml" }
  public var logPath: String { path + "/log.jsonl" }
  public var checkpointsPath: String { path + "/checkpoints" }
  public var viewsPath: String { path + "/views.png" }
  public var badFilesPath: String { path + "/bad-files.txt" }

  /// Opens or makes the folder for a run of `config`. A folder that holds another run, or files that are no
  /// run's, is refused untouched.
  public init(_ path: String, for config: RunConfig, resume: Bool) throws {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    try RunFolder.checkUsable(self.path, for: config, resume: resume)
    do {
      try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    } catch {
      throw RunError(
        "--out \(path): the folder cannot be made. Check that what it lies in is a folder you may write to.")
    }
    lock = open(self.path + "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard lock >= 0 else {
      throw RunError("--out \(path): cannot write there: \(String(cString: strerror(errno))).")
    }
    switch Locking(lock, LOCK_EX) {
    case .locked: break
    case .inUse:
      throw UsageError(
        "--out \(path): another process is training in this folder. Wait for it, or choose another.")
    case .failed(let reason):
      throw RunError(
        "--out \(path): the folder cannot be locked: \(reason). Choose one on a file system that knows locks."
      )
    }
    if !FileManager.default.fileExists(atPath: configPath) {
      try writeFile(config.yaml(), to: configPath)
    }
  }

  deinit { close(lock) }

  /// What came of the wish to lock a file.
  enum Locking: Equatable {
    case locked
    /// Another process holds it.
    case inUse
    case failed(String)

    /// - Parameter kind: `LOCK_EX` or `LOCK_SH`.
    init(_ file: Int32, _ kind: Int32) {
      guard flock(file, kind | LOCK_NB) != 0 else {
        self = .locked
        return
      }
      self = errno == EWOULDBLOCK ? .inUse : .failed(String(cString: strerror(errno)))
    }
  }

  private static func checkUsable(_ path: String, for config: RunConfig, resume: Bool) throws {
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
    let existing = try RunConfig(yaml: yaml, source: configPath)
    let differences = existing.differences(from: config)
    guard differences.isEmpty else {
      throw UsageError(
        "--out \(path): the folder holds another run (\(differences.joined(separator: "; "))). "
          + "Choose another folder, or repeat that run's options to continue it.")
    }
    guard resume else {
      throw UsageError(
        "--out \(path): the folder holds a run already. Leave out --resume never to continue it, or choose another."
      )
    }
  }
}

/// Writes a small file whole, or throws what is wrong, where, and how to mend it.
func writeFile(_ text: String, to path: String) throws {
  do {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  } catch {
    throw cannotWrite(path, error)
  }
}

func cannotWrite(_ path: String, _ error: any Error) -> RunError {
  // Cast in two steps: on Linux what lies in a dictionary is no NSError, whatever error it is.
  let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error ?? error) as NSError
  let reason =
    cause.domain == NSPOSIXErrorDomain
    ? String(cString: strerror(Int32(cause.code))) : "\(cause.localizedDescription)"
  return RunError(
    "cannot write \(path): \(reason). Free space or mend its permissions; the same command continues the run."
  )
}

extension RunConfig {
  /// Keys that a run may be continued with other values of: they change no result, or only when it ends.
  private static let changeable: Set<CodingKeys> = [
    .bank, .device, .workers, .cache, .cudaGraph, .timeout, .checkRanksEvery, .maxBad, .steps, .saveEvery,
    .keep,
    .logEvery, .knnTrain, .knnTest, .knnEvery,
    .knnLimit,
  ]

  /// What is set, as YAML writes it.
  var values: [CodingKeys: String] {
    get throws {
      let lines = try yaml().split(separator: "\n").filter { !$0.hasPrefix("#") }
      return lines.reduce(into: [:]) { values, line in
        let parts = line.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let key = CodingKeys(rawValue: String(parts[0])) else { return }
        values[key] = parts[1].trimmingCharacters(in: .whitespaces)
      }
    }
  }

  private var lasting: [CodingKeys: String] {
    get throws {
      var config = self
      config.stem = stem ?? arch.defaultStem  // named or not, it is the same
      return try config.values.filter { !RunConfig.changeable.contains($0.key) }
    }
  }

  /// What decides the trajectory and differs, in words.
  func differences(from other: RunConfig) -> [String] {
    guard let mine = try? lasting, let theirs = try? other.lasting else { return ["unreadable"] }
    return CodingKeys.allCases.compactMap { key in
      mine[key] == theirs[key]
        ? nil : "\(key.rawValue) is \(mine[key] ?? "unset") there and \(theirs[key] ?? "unset") here"
    }
  }
}
