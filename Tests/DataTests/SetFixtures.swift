import Files
import Foundation
import Testing
@testable import Data

/// The data sets of `Fixtures/sets.json`, written by the field's own libraries.
enum SetFixtures {
  private struct Contents: Decodable {
    var files: [String: Foundation.Data]
    var expected: [String: [UInt8]]
  }

  private static let contents = Result {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/sets.json")
    return try JSONDecoder().decode(Contents.self, from: Foundation.Data(contentsOf: url))
  }

  static func file(_ name: String) throws -> Foundation.Data {
    let packed = try #require(try contents.get().files[name], "no fixture \(name)")
    return try gunzip(packed, limit: 1 << 20)
  }

  static func expected(_ name: String) throws -> [UInt8] {
    try #require(try contents.get().expected[name], "no expected \(name)")
  }
}

extension TemporaryFolder {
  /// Writes a file of `Fixtures/sets.json`.
  @discardableResult
  func write(_ name: String, fixture: String) throws -> String {
    try write(name, try SetFixtures.file(fixture))
  }

  /// The message of opening a path in the folder, which is "F" in it.
  func message(_ name: String = "", split: DatasetSplit = .train) -> String {
    do {
      return "opened: " + (try Dataset.open(path + name, split: split, allowsOneImage: true)).summary
    } catch { return "\(error)".replacing(path, with: "F") }
  }
}

/// Byte i of the images in the fixtures.
func pattern(_ index: Int) -> UInt8 { UInt8((7 * index + 3) % 251) }

extension Dataset {
  var labels: [Int?] { (0..<count).map { label($0) } }
  var names: [String] { (0..<count).map { name($0) } }
  /// The first pixel's red of each image.
  func firstBytes() throws -> [UInt8] { try (0..<count).map { try image($0).pixels[0] } }
}
