import Foundation

/// This process's folder for all files of its tests, which goes when the process ends. The folder of a process that was
/// killed, or that a test let crash, goes with the next one that runs tests.
private let processFolder: String = {
  let (files, prefix) = (FileManager.default, "moco-tests-")
  let parent = files.temporaryDirectory.path
  for name in (try? files.contentsOfDirectory(atPath: parent)) ?? [] where name.hasPrefix(prefix) {
    guard let process = pid_t(name.dropFirst(prefix.count)) else { continue }
    let isGone = kill(process, 0) != 0 && errno == ESRCH
    // A number comes again: an earlier process had this one.
    if isGone || process == getpid() { try? files.removeItem(atPath: "\(parent)/\(name)") }
  }
  let path = "\(parent)/\(prefix)\(getpid())"
  try? files.createDirectory(atPath: path, withIntermediateDirectories: true)
  atexit { try? FileManager.default.removeItem(atPath: processFolder) }
  return path
}()

/// A fresh folder that no other test uses. It goes when the process ends.
public func temporaryFolder() -> String {
  let path = "\(processFolder)/\(UUID().uuidString)"
  try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}

/// Runs `body` with the path of a new folder, which is removed afterwards.
public func withFolder(_ body: (String) throws -> Void) throws {
  let folder = temporaryFolder()
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}

/// Runs `body` with the path of a file of these bytes, which is removed afterwards.
@discardableResult
public func withTemporaryFile<Value>(_ bytes: Data, _ body: (String) throws -> Value) throws -> Value {
  let url = URL(filePath: "\(processFolder)/\(UUID().uuidString)")
  try bytes.write(to: url)
  defer { try? FileManager.default.removeItem(at: url) }
  return try body(url.path())
}

public func bytes(at path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

public func put(_ bytes: [UInt8], at path: String) throws { try Data(bytes).write(to: URL(filePath: path)) }

/// All names in a folder, hidden ones too.
public func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

/// The one error of type `Failure` that `body` throws.
public func failure<Failure: Error>(_ type: Failure.Type = Failure.self, _ body: () throws -> Void) throws
  -> Failure
{
  do {
    try body()
  } catch let failure as Failure {
    return failure
  }
  throw Unthrown()
}

/// Something that should have failed did not, or the other way round.
public struct Unthrown: Error {
  public init() {}
}
