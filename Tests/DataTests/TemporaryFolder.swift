import Foundation
import TestSupport
import Testing

/// A folder that goes with the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = temporaryFolder()
    try #require(FileManager.default.fileExists(atPath: path))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, making the folders on the way.
  @discardableResult
  func write(_ name: String, _ data: Data = Data()) throws -> String {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try data.write(to: URL(fileURLWithPath: file))
    return file
  }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path + "/" + name, withDestinationPath: target)
  }

  /// A small PNG of noise.
  @discardableResult
  func image(_ name: String, side: Int = 8, seed: Int = 0) throws -> String {
    try write(name, try noise(side: side, seed: seed).pngData())
  }
}

/// The bytes of an IDX file.
func idx(_ magic: UInt8, _ shape: [Int], _ values: [UInt8]) -> Data {
  var data = Data([0, 0, 8, magic])
  for size in shape { data += (0..<4).reversed().map { UInt8(truncatingIfNeeded: size >> (8 * $0)) } }
  return data + values
}
