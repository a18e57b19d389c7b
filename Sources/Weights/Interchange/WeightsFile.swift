import Files
import Torch

/// A file of weights from anywhere: `torch.save` (both formats), a pickle of numpy arrays, safetensors. Its
/// bytes show which, not its name.
///
/// The file may come from anybody. Nothing in it is run; sizes are compared with the file before memory is taken,
/// and reading all of it takes no more than twice its size and 64 MB, for whole numbers of 8 bits eight times.
public final class WeightsFile {
  public struct Entry: Equatable, Sendable {
    /// The path through the file's dictionaries, as `state_dict.module.encoder_q.conv1.weight`.
    public let name: String
    /// The type it is read as: whole numbers that a `Tensor` lacks become int64, numbers of 8 bits float32. Nil if it
    /// cannot be read: complex numbers, and those of less than 8 bits.
    public let dtype: DType?
    public let shape: [Int]
  }

  private enum Contents {
    case torch(TorchFile, [String: TorchFile.Entry])
    case safetensors(SafetensorsFile)
  }

  public let path: String
  /// In the file's order.
  public let entries: [Entry]
  /// Kinds of objects that are no weights and were passed over, by Python's names: `torch.device`.
  public let leftUnread: [String]
  /// Text values of the file's outermost dictionary, as `arch`, and of its attributes; safetensors' metadata.
  let texts: [String: String]
  private let contents: Contents

  /// Reads names, types and shapes.
  /// - Throws: ``InterchangeError``, ``SafetensorsError`` or ``FileError``, and
  ///   ``CheckpointError/transformersFolder(_:weights:)`` for such a folder.
  public init(_ path: String) throws {
    self.path = path
    if let weights = TransformersFolder.weights(in: path) {
      throw CheckpointError.transformersFolder(path, weights: weights)
    }
    let reader = try FileReader(path)
    // A safetensors file has the '{' of its header behind the header's length.
    if reader.count > 8, try reader.bytes(8..<9) == [UInt8(ascii: "{")], try reader.bytes(5..<8) == [0, 0, 0]
    {
      let file = try SafetensorsFile(path)
      entries = file.entries.map { Entry(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
      (leftUnread, texts) = ([], file.metadata)
      contents = .safetensors(file)
    } else {
      if let problem = try MistakenFile(reader)?.problem {
        throw InterchangeError(path: path, problem: problem)
      }
      let file = try TorchFile(reader)
      entries = file.entries.map { Entry(name: $0.name, dtype: $0.type.dtype, shape: $0.shape) }
      (leftUnread, texts) = (file.unread, file.texts)
      contents = .torch(file, Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0) }))
    }
  }

  /// Reads one tensor to the CPU, row by row whatever its strides are in the file.
  /// - Throws: ``InterchangeError``, ``SafetensorsError``, ``FileError``, or `TorchError` if memory runs out.
  public func tensor(_ name: String) throws -> Tensor {
    switch contents {
    case .safetensors(let file): return try file.tensor(name)
    case .torch(let file, let places): return try file.tensor(try entry(name, in: places))
    }
  }

  private func entry(_ name: String, in places: [String: TorchFile.Entry]) throws -> TorchFile.Entry {
    guard let entry = places[name] else {
      throw InterchangeError(path: path, problem: .tensor("is not in the file", name: name))
    }
    return entry
  }

  /// Hands a tensor's bytes to `body`, row by row, block by block, without a copy of the whole.
  /// - Throws: as ``tensor(_:)``; where a checksum is wrong `body` has seen the bytes before.
  func forEachBlock(of name: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let isDone =
      switch contents {
      case .safetensors(let file): try file.forEachBlock(of: name, body)
      case .torch(let file, let places): try file.forEachBlock(of: try entry(name, in: places), body)
      }
    if !isDone { try tensor(name).withUnsafeBytes(body) }
  }

  /// Whether two names stand for the same tensor, and not for equal ones.
  func isShared(_ first: String, _ second: String) -> Bool {
    guard case .torch(_, let places) = contents, case .tensor(let a) = places[first]?.leaf,
      case .tensor(let b) = places[second]?.leaf
    else { return false }
    return a.storage == b.storage && a.layout == b.layout && a.isNegated == b.isNegated
  }
}
