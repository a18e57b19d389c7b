import Foundation

/// A fresh folder that no other test uses.
public func temporaryFolder() -> String {
  let path = FileManager.default.temporaryDirectory.appending(path: "moco-tests-\(UUID().uuidString)").path
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
  let url = FileManager.default.temporaryDirectory.appending(path: "moco-tests-\(UUID().uuidString)")
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
