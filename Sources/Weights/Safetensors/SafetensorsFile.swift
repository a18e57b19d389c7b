import Files
import Torch

/// A safetensors file on the disk. Only the header is in memory; each tensor is read on demand.
///
/// The file may come from anybody: sizes are compared with the file before memory is taken, and nothing in it
/// is run.
public final class SafetensorsFile {
  /// One tensor's place.
  public struct Entry: Equatable, Sendable {
    public let name: String
    package let type: ElementType
    public let shape: [Int]
    /// Its bytes, counted from the end of the header.
    public let range: Range<Int>

    /// The type it is read as; nil if it cannot be read. Whole numbers that a `Tensor` lacks become int64, numbers of 8
    /// bits float32.
    public var dtype: DType? { type.dtype }
  }

  public var path: String { reader.path }
  /// In the order of the data.
  public var entries: [Entry] { header.entries }
  public var metadata: [String: String] { header.metadata }

  private let reader: FileReader
  private let header: SafetensorsHeader
  private let dataStart: Int
  private let places: [String: Entry]

  /// Reads and checks the header.
  /// - Throws: ``SafetensorsError`` or ``FileError``.
  public convenience init(_ path: String) throws { try self.init(path, headerChecksum: nil) }

  /// - Parameter headerChecksum: of the length and the header, to compare; nil accepts any.
  init(_ path: String, headerChecksum: Checksum?) throws {
    let reader = try FileReader(path)
    func error(_ problem: SafetensorsError.Problem) -> SafetensorsError {
      SafetensorsError(path: path, tensor: nil, problem: problem)
    }
    guard reader.count >= 8 else { throw error(.truncated(needed: 8, found: reader.count)) }
    let length = try reader.withBytes(0..<8) { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= UInt64(Safetensors.headerLimit) else { throw error(.headerTooLong(length)) }
    dataStart = 8 + Int(length)
    guard reader.count >= dataStart else {
      throw error(.truncated(needed: dataStart, found: reader.count))
    }
    let bytes = try reader.bytes(0..<dataStart)
    if let headerChecksum {
      let found = bytes.withUnsafeBytes { Checksum(of: $0) }
      guard found == headerChecksum else {
        throw error(.wrongChecksum(expected: "\(headerChecksum)", found: "\(found)"))
      }
    }
    header = try SafetensorsHeader(Array(bytes[8...]), dataCount: reader.count - dataStart, path: path)
    places = Dictionary(uniqueKeysWithValues: header.entries.map { ($0.name, $0) })
    self.reader = reader
  }

  /// Reads one tensor to the CPU.
  /// - Throws: ``SafetensorsError``, ``FileError``, or `TorchError` if memory runs out.
  public func tensor(_ name: String) throws -> Tensor { try tensor(name, checksum: nil) }

  func tensor(_ name: String, checksum: Checksum?) throws -> Tensor {
    try withBytes(of: name, checksum: checksum) { entry, bytes in
      guard let layout = StridedLayout(shape: entry.shape) else { throw error(.shapeTooLarge, name) }
      do {
        return try Tensor.reading(bytes, as: entry.type, layout)
      } catch let fault as ElementFault {
        switch fault {
        case .unread: throw error(.unsupportedType(entry.type.name), name)
        case .invalidBool: throw error(.invalidBool, name)
        case .tooLarge: throw error(.numberTooLarge, name)
        }
      }
    }
  }

  private func error(_ problem: SafetensorsError.Problem, _ name: String) -> SafetensorsError {
    SafetensorsError(path: path, tensor: name, problem: problem)
  }

  /// Reads all tensors to the CPU, one after the other.
  public func tensors() throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for entry in entries { tensors[entry.name] = try tensor(entry.name) }
    return tensors
  }

  /// Hands a tensor's bytes to `body`, after comparing them with their checksum if there is one.
  private func withBytes<Result>(
    of name: String, checksum: Checksum?, _ body: (Entry, UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    let entry = try entry(name)
    return try reader.withBytes(place(of: entry)) { bytes in
      if let checksum, case let found = Checksum(of: bytes), found != checksum {
        throw error(.wrongChecksum(expected: "\(checksum)", found: "\(found)"), name)
      }
      return try body(entry, bytes)
    }
  }

  private func entry(_ name: String) throws -> Entry {
    guard let entry = places[name] else { throw error(.missing, name) }
    return entry
  }

  private func place(of entry: Entry) -> Range<Int> {
    dataStart + entry.range.lowerBound..<dataStart + entry.range.upperBound
  }

  /// Hands a tensor's bytes to `body`, block by block. False if they are not those of the type it is read as.
  func forEachBlock(of name: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
    let entry = try entry(name)
    guard entry.type.keepsBytes, entry.type != .bool else { return false }
    try reader.forEachBlock(of: place(of: entry), body)
    return true
  }
}
