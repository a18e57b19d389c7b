import Files
import Foundation

/// `state.json`: the training state, the checksums of both tensor files, and in front its own checksum.
///
/// The own checksum covers every byte after it, so the file begins with one fixed line.
struct StateFile: Equatable {
  static let name = "state.json"
  /// Checksums of a network of 100,000 tensors take a tenth of this.
  private static let sizeLimit = 1 << 26

  var state: TrainingState
  /// By file name.
  var files: [String: FileChecksums]

  enum Failure: Error, Equatable {
    /// The bytes are not those that were written.
    case damaged(String)
    case format(Int)
  }
}

// MARK: - JSON

extension StateFile: Codable {
  private enum CodingKeys: String, CodingKey { case files }

  init(from decoder: any Decoder) throws {
    state = try TrainingState(from: decoder)
    files = try decoder.container(keyedBy: CodingKeys.self).decode(
      [String: FileChecksums].self, forKey: .files)
  }

  func encode(to encoder: any Encoder) throws {
    try state.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(files, forKey: .files)
  }
}

// MARK: - Bytes

extension StateFile {
  private static let opening = Array("{\n  \"checksum\" : \"".utf8)
  private static let closing = Array("\",".utf8)
  private static var restStart: Int { opening.count + 8 + closing.count }

  /// JSON with sorted keys: equal states give equal bytes.
  var bytes: [UInt8] {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
      let rest = Array(try encoder.encode(self).dropFirst()) + [UInt8(ascii: "\n")]
      let checksum = rest.withUnsafeBytes { Checksum(of: $0) }
      return Self.opening + Array(checksum.description.utf8) + Self.closing + rest
    }
  }

  init(_ bytes: [UInt8]) throws {
    guard bytes.count > Self.restStart, bytes.starts(with: Self.opening),
      bytes[..<Self.restStart].suffix(2).elementsEqual(Self.closing),
      let expected = Checksum(
        String(decoding: bytes[Self.opening.count..<Self.opening.count + 8], as: UTF8.self))
    else { throw Failure.damaged("does not begin with its checksum") }
    let rest = bytes[Self.restStart...]
    let found = rest.withUnsafeBytes { Checksum(of: $0) }
    guard found == expected else {
      throw Failure.damaged("has the checksum \(found), not \(expected): it was changed")
    }
    let json = Data([UInt8(ascii: "{")] + rest)
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    struct Version: Decodable { let format: Int }
    do {
      let version = try decoder.decode(Version.self, from: json)
      guard version.format == TrainingState.currentFormat else { throw Failure.format(version.format) }
      self = try decoder.decode(StateFile.self, from: json)
    } catch let error as DecodingError {
      throw Failure.damaged("is not the JSON of a training state: \(error)")
    }
  }

  init(contentsOf path: String) throws {
    let reader = try FileReader(path)
    guard reader.count <= Self.sizeLimit else {
      throw Failure.damaged("has \(reader.count) bytes; at most \(Self.sizeLimit) are read")
    }
    try self.init(reader.bytes(0..<reader.count))
  }
}
