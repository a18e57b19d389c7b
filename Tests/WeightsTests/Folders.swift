import Foundation
import Testing
@testable import Files

/// Runs `body` with the path of a new folder, which is removed afterwards.
func withFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: "checkpoints-\(UUID().uuidString)")
    .path()
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}

/// Runs `body` with the path of a file of these bytes.
func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
  try withFolder { folder in
    let path = joined(folder, "x.safetensors")
    try put(bytes, at: path)
    try body(path)
  }
}

func bytes(at path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

func put(_ bytes: [UInt8], at path: String) throws { try Data(bytes).write(to: URL(filePath: path)) }

func fixture(_ name: String) -> String {
  URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)").path()
}

/// All names in a folder, hidden ones too.
func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

/// The one error of type `Failure` that `body` throws.
func failure<Failure: Error>(_ type: Failure.Type = Failure.self, _ body: () throws -> Void) throws -> Failure
{
  do {
    try body()
  } catch {
    return try #require(error as? Failure, "\(error) is no \(Failure.self)")
  }
  throw Unthrown()
}

/// Something that should have failed did not, or the other way round.
struct Unthrown: Error {}

/// A safetensors file made by hand.
func file(_ json: String, data: Int = 0) -> [UInt8] {
  withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian) { Array($0) } + Array(json.utf8)
    + [UInt8](repeating: 0, count: data)
}
