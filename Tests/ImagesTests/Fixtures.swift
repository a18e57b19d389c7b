import Foundation
import Images
import Testing

/// A file from `Fixtures/decode.json` or `formats.json` with the pixels that Pillow gives for it, or, where Pillow
/// does not read it, numpy.
struct DecodeCase: Decodable, Sendable, CustomTestStringConvertible {
  let name: String
  let file: Data
  let width: Int
  let height: Int
  let rgb: Data
  let exact: Bool
  let turned: Bool
  let depth: String?

  var testDescription: String { name }

  static let all: [DecodeCase] = load("decode.json") + load("formats.json")

  /// A decoder that gives the pixels.
  var decoder: ImageDecoder {
    ImageDecoder(appliesOrientation: turned, depth: depth.flatMap { Depth($0) } ?? .automatic)
  }

  static func named(_ name: String) throws -> DecodeCase {
    try #require(all.first { $0.name == name }, "no fixture \(name)")
  }
}

/// A JPEG from `Fixtures/regions.json`; its name states sampling, process and restart markers.
struct RegionCase: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: Data

  var testDescription: String { name }

  static let all: [RegionCase] = {
    let files: [String: Data] = load("regions.json")
    return files.map { RegionCase(name: $0.key, bytes: $0.value) }.sorted { $0.name < $1.name }
  }()
}

private func load<Value: Decodable>(_ name: String) -> Value {
  let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
  do {
    return try JSONDecoder().decode(Value.self, from: Data(contentsOf: url))
  } catch {
    fatalError("\(url.path()): \(error)")
  }
}

func bigEndian(_ value: UInt32) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// Knuth's MMIX linear congruential generator: the same flips on every machine.
struct SystemIndependentGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
