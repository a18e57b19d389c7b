import Files

/// A faulty safetensors file.
public struct SafetensorsError: Error, Equatable, CustomStringConvertible {
  public enum Problem: Equatable, Sendable {
    /// The file ends before the last byte of its header or tensors.
    case truncated(needed: Int, found: Int)
    /// Bytes follow the last tensor.
    case trailingBytes(Int)
    /// The header's length is above ``Safetensors/headerLimit``.
    case headerTooLong(UInt64)
    /// The header is not the JSON that the format requires.
    case malformedHeader(String, byte: Int)
    /// A name stands twice in the header.
    case duplicateName
    /// An element type that a `Tensor` does not have.
    case unsupportedType(String)
    /// Shape and type need other than the bytes set aside.
    case sizeMismatch(shape: [Int], bytes: Int)
    /// The shape's product does not fit in a machine word, or it has too many dimensions.
    case shapeTooLarge
    /// The tensor's bytes overlap another's or leave a hole before them.
    case misplaced(expectedStart: Int, start: Int)
    /// A truth value that is neither 0 nor 1.
    case invalidBool
    /// A whole number above 2^63 − 1.
    case numberTooLarge
    /// There is no such tensor in the file.
    case missing
    /// The bytes are not those that were written.
    case wrongChecksum(expected: String, found: String)
  }

  public let path: String
  /// The tensor it happened at; nil for the file as a whole.
  public let tensor: String?
  public let problem: Problem

  public var description: String {
    "\(path)\(tensor.map { ": tensor \($0)" } ?? "") \(reason). \(remedy)"
  }

  /// The fault, as the end of a sentence about the file or the tensor.
  var reason: String {
    switch problem {
    case .truncated(let needed, let found): "ends too early: \(needed) bytes are needed, \(found) are there"
    case .trailingBytes(let count): "has \(count) bytes after its last tensor"
    case .headerTooLong(let length):
      "says that its header has \(length) bytes; at most \(Safetensors.headerLimit) are read"
    case .malformedHeader(let what, let byte): "has a malformed header: \(what) at byte \(byte)"
    case .duplicateName: "stands twice in the header"
    case .unsupportedType(let type): "has the element type \(type), which is not supported"
    case .sizeMismatch(let shape, let bytes): "has \(bytes) bytes, which do not fill the shape \(shape)"
    case .shapeTooLarge: "has a shape that no memory holds"
    case .misplaced(let expected, let start):
      "begins at byte \(start) of the data, not at \(expected): tensors overlap or leave a hole"
    case .invalidBool: "has a truth value that is neither 0 nor 1"
    case .numberTooLarge: "has a whole number above 2^63 - 1"
    case .missing: "is not in the file"
    case .wrongChecksum(let expected, let found): "has the checksum \(found), not \(expected): it was changed"
    }
  }

  private var remedy: String {
    switch problem {
    case .unsupportedType: "Convert it to one of \(DTypeName.all.joined(separator: ", "))."
    case .missing: "Check that the file belongs to this model."
    case .headerTooLong, .malformedHeader: "It is no safetensors file, or damaged: copy or export it again."
    default: "It is damaged: copy or export it again."
    }
  }
}
