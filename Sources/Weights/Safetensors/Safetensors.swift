import CArchives
import Files
import Foundation
import Torch

#if _endian(big)
  #error("safetensors data is little-endian and is read as it stands")
#endif

/// The safetensors format: a JSON header and raw little-endian data, without code to run.
///
/// Equal tensors and metadata give equal bytes: tensors stand widest type first, then by name, as the format's
/// own library writes them.
public enum Safetensors {
  /// The longest header that is read, in bytes: the format's own limit.
  public static let headerLimit = 100_000_000
  /// The most dimensions a tensor may have: LibTorch's limit.
  static let rankLimit = StridedLayout.rankLimit

  /// Writes a file whole or, on an error, not at all; an existing one is replaced.
  /// - Parameters:
  ///   - path: The file, which is replaced as a whole.
  ///   - tensors: names and tensors, on any device; each name once.
  ///   - metadata: free notes, such as the architecture's name.
  /// - Throws: ``FileError``, or `TorchError` if a tensor cannot be brought to the CPU.
  public static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to path: String
  ) throws {
    _ = try replaceFile(path) { try write(tensors, metadata: metadata, with: $0) }
  }

  /// Writes the bytes and returns their checksums.
  static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String], with writer: FileWriter
  ) throws -> FileChecksums {
    let sorted = sorted(tensors)
    let header = SafetensorsHeader(entries: places(of: sorted), metadata: metadata)
    try writer.write(header.bytes)
    var checksums = FileChecksums(header: header.bytes.withUnsafeBytes { Checksum(of: $0) }, tensors: [:])
    for (name, tensor) in sorted {
      try withTorchErrors {
        try tensor.withUnsafeBytes { bytes in
          try writer.write(bytes)
          checksums.tensors[name] = Checksum(of: bytes)
        }
      }
    }
    return checksums
  }

  /// The size in bytes of the file that ``write(_:metadata:to:)`` makes of these.
  public static func size(of tensors: [(name: String, tensor: Tensor)], metadata: [String: String]) -> Int {
    let header = SafetensorsHeader(entries: places(of: sorted(tensors)), metadata: metadata)
    return header.bytes.count + header.dataCount
  }

  private static func sorted(_ tensors: [(name: String, tensor: Tensor)]) -> [(name: String, tensor: Tensor)]
  {
    tensors.sorted { precedes(($0.name, $0.tensor.dtype), ($1.name, $1.tensor.dtype)) }
  }

  private static func precedes(_ a: (name: String, dtype: DType), _ b: (name: String, dtype: DType)) -> Bool {
    let (rankA, rankB) = (DTypeName.rank(a.dtype), DTypeName.rank(b.dtype))
    return rankA == rankB ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8) : rankA < rankB
  }

  private static func places(of tensors: [(name: String, tensor: Tensor)]) -> [SafetensorsFile.Entry] {
    places(of: tensors.map { ($0.name, $0.tensor.dtype, $0.tensor.shape) })
  }

  private static func places(of tensors: [(name: String, dtype: DType, shape: [Int])]) -> [SafetensorsFile
    .Entry]
  {
    var names: Set<String> = [SafetensorsHeader.metadataName]
    var end = 0
    return tensors.map { name, dtype, shape in
      precondition(names.insert(name).inserted, "two tensors are named \(name), or that name is reserved")
      let start = end
      end += shape.reduce(1, *) * dtype.size
      return .init(name: name, type: ElementType(dtype), shape: shape, range: start..<end)
    }
  }

  /// A tensor that writes its bytes when its turn comes, so that no more than one is in memory.
  struct Part {
    let name: String
    let dtype: DType
    let shape: [Int]
    let write: (FileWriter) throws -> Void
  }

  /// Writes a file whole or, on an error, not at all.
  /// - Throws: ``FileError``, or the error of a part.
  static func write(_ parts: [Part], metadata: [String: String], to path: String) throws {
    let sorted = parts.sorted { precedes(($0.name, $0.dtype), ($1.name, $1.dtype)) }
    let header = SafetensorsHeader(
      entries: places(of: sorted.map { ($0.name, $0.dtype, $0.shape) }), metadata: metadata)
    try replaceFile(path) { writer in
      try writer.write(header.bytes)
      for part in sorted { try part.write(writer) }
    }
  }
}

/// CRC-32 of some bytes. It notices every single flipped byte; it does not resist an attacker.
struct Checksum: Equatable, Hashable, Codable, CustomStringConvertible {
  private let value: UInt32

  init(of bytes: UnsafeRawBufferPointer) { value = ca_crc32(0, bytes.baseAddress, bytes.count) }

  /// Of a whole file.
  /// - Throws: ``FileError``.
  init(ofFile path: String) throws {
    let (file, block) = (try FileReader(path), 4 << 20)
    value = try stride(from: 0, to: file.count, by: block).reduce(0) { value, start in
      try file.withBytes(start..<min(start + block, file.count)) { ca_crc32(value, $0.baseAddress, $0.count) }
    }
  }

  /// Eight hexadecimal digits.
  var description: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  init?(_ text: some StringProtocol) {
    guard text.utf8.count == 8, let value = UInt32(text, radix: 16) else { return nil }
    self.value = value
  }

  init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let checksum = Checksum(text) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "\(text) is not eight hexadecimal digits"))
    }
    self = checksum
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// The checksums of one safetensors file. The header has one of its own, because it holds types and shapes.
struct FileChecksums: Equatable, Codable {
  var header: Checksum
  var tensors: [String: Checksum]
}
