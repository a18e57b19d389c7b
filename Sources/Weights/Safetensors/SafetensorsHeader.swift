import Files
import Torch

/// The format's names of element types.
enum DTypeName {
  /// In the order of their tensors within a file: widest first, so that each is aligned to its element.
  private static let order: [DType] = [.int64, .float64, .float32, .bfloat16, .float16, .uint8, .bool]

  /// Those that are read.
  static var all: [String] {
    ElementType.allCases.filter { $0.dtype != nil }.compactMap(\.safetensorsName)
  }

  static func type(_ name: String) -> ElementType? {
    ElementType.allCases.first { $0.safetensorsName == name }
  }

  static func rank(_ dtype: DType) -> Int {
    guard let rank = order.firstIndex(of: dtype) else {
      preconditionFailure("\(dtype) has no safetensors name")
    }
    return rank
  }
}

/// The JSON in front of the data: names, types, shapes and places.
struct SafetensorsHeader: Equatable {
  static let metadataName = "__metadata__"

  /// In the order of the data, which they fill without holes.
  var entries: [SafetensorsFile.Entry]
  var metadata: [String: String]

  /// Bytes of all tensors.
  var dataCount: Int { entries.last?.range.upperBound ?? 0 }

  /// Length and JSON, padded with spaces so that the data begins at a multiple of 8.
  var bytes: [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let notes = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      members.append(
        "\"\(Self.metadataName)\":{\(notes.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ","))}"
      )
    }
    members += entries.map { entry in
      let shape = entry.shape.map(String.init).joined(separator: ",")
      return "\(quoted(entry.name)):{\"dtype\":\"\(entry.type.name)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(entry.range.lowerBound),\(entry.range.upperBound)]}"
    }
    var json = Array("{\(members.joined(separator: ","))}".utf8)
    json += Array(repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
  }

  private func quoted(_ text: String) -> String {
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"": "\\\""
      case "\\": "\\\\"
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case "\u{8}": "\\b"
      case "\u{C}": "\\f"
      case "\0"..<" ": "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: String(scalar)
      }
    }
    return "\"\(escaped.joined())\""
  }
}

// MARK: - Reading

extension SafetensorsHeader {
  /// - Parameters:
  ///   - json: the header without its length.
  ///   - dataCount: bytes of the file after it.
  init(_ json: [UInt8], dataCount: Int, path: String) throws {
    entries = []
    metadata = [:]
    var scanner = HeaderScanner(json)
    do {
      try scanner.object { scanner, name in
        if name == Self.metadataName {
          try scanner.object { metadata[$1] = try $0.string() }
        } else {
          entries.append(try Self.entry(name, &scanner, path))
        }
      }
      try scanner.end()
    } catch let failure as HeaderScanner.Failure {
      throw SafetensorsError(
        path: path, tensor: failure.duplicate,
        problem: failure.duplicate == nil
          ? .malformedHeader(failure.what, byte: 8 + failure.byte) : .duplicateName)
    }
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    try checkLayout(dataCount: dataCount, path: path)
  }

  private static func entry(_ name: String, _ scanner: inout HeaderScanner, _ path: String) throws
    -> SafetensorsFile.Entry
  {
    var type: String?
    var shape: [Int]?
    var offsets: [Int] = []
    try scanner.object { scanner, field in
      switch field {
      case "dtype": type = try scanner.string()
      case "shape": shape = try scanner.integers(limit: Safetensors.rankLimit)
      case "data_offsets": offsets = try scanner.integers(limit: 2)
      default: throw scanner.failure("an unknown field \(field) of tensor \(name)")
      }
    }
    func error(_ problem: SafetensorsError.Problem) -> SafetensorsError {
      SafetensorsError(path: path, tensor: name, problem: problem)
    }
    guard let type, let shape, offsets.count == 2, offsets[0] <= offsets[1] else {
      throw scanner.failure("tensor \(name) without type, shape or an ordered pair of offsets")
    }
    guard let type = DTypeName.type(type) else { throw error(.unsupportedType(type)) }
    guard let bytes = byteCount(shape, type) else { throw error(.shapeTooLarge) }
    guard bytes == offsets[1] - offsets[0] else {
      throw error(.sizeMismatch(shape: shape, bytes: offsets[1] - offsets[0]))
    }
    return .init(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
  }

  /// Nil if it overflows, even where a 0 would bring it back (LibTorch's strides overflow then), or if elements of less
  /// than a byte fill no whole one.
  private static func byteCount(_ shape: [Int], _ type: ElementType) -> Int? {
    let isSmall = type.bits < 8
    let most = shape.reduce(isSmall ? type.bits : type.size) { (count: Int?, size) in
      guard let (product, overflow) = count?.multipliedReportingOverflow(by: max(1, size)), !overflow else {
        return nil
      }
      return product
    }
    guard !shape.contains(0), isSmall else { return shape.contains(0) ? most.map { _ in 0 } : most }
    return most.flatMap { $0.isMultiple(of: 8) ? $0 / 8 : nil }
  }

  private func checkLayout(dataCount: Int, path: String) throws {
    var end = 0
    for entry in entries {
      guard entry.range.lowerBound == end else {
        throw SafetensorsError(
          path: path, tensor: entry.name,
          problem: .misplaced(expectedStart: end, start: entry.range.lowerBound))
      }
      end = entry.range.upperBound
    }
    if end > dataCount {
      throw SafetensorsError(path: path, tensor: nil, problem: .truncated(needed: end, found: dataCount))
    }
    if end < dataCount {
      throw SafetensorsError(path: path, tensor: nil, problem: .trailingBytes(dataCount - end))
    }
  }
}
