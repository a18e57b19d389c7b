import Files
import Torch

/// A file of weights from anywhere: `torch.save` (both formats), a pickle of numpy arrays, safetensors. Its
/// bytes show which, not its name.
///
/// The file may come from anybody. Nothing in it is run; sizes are compared with the file before memory is taken,
/// and reading all of it takes no more than twice its size and 64 MB.
public final class WeightsFile {
  public struct Entry: Equatable, Sendable {
    /// The path through the file's dictionaries, as `state_dict.module.encoder_q.conv1.weight`.
    public let name: String
    /// Element types that a `Tensor` lacks are read as int64.
    public let dtype: DType
    public let shape: [Int]
  }

  private enum Contents {
    case torch(TorchFile, [String: TorchFile.Entry])
    case safetensors(SafetensorsFile)
  }

  public let path: String
  /// In the file's order.
  public let entries: [Entry]
  private let contents: Contents

  /// Reads names, types and shapes.
  /// - Throws: ``InterchangeError``, ``SafetensorsError`` or ``FileError``.
  public init(_ path: String) throws {
    self.path = path
    let reader = try FileReader(path)
    // A safetensors file has the '{' of its header behind the header's length.
    if reader.count > 8, try reader.bytes(8..<9) == [UInt8(ascii: "{")], try reader.bytes(5..<8) == [0, 0, 0]
    {
      let file = try SafetensorsFile(path)
      entries = file.entries.map { Entry(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
      contents = .safetensors(file)
    } else {
      let file = try TorchFile(reader)
      entries = file.entries.map { Entry(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
      contents = .torch(file, Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0) }))
    }
  }

  /// Reads one tensor to the CPU, row by row whatever its strides are in the file.
  /// - Throws: ``InterchangeError``, ``SafetensorsError``, ``FileError``, or `TorchError` if memory runs out.
  public func tensor(_ name: String) throws -> Tensor {
    switch contents {
    case .safetensors(let file): return try file.tensor(name)
    case .torch(let file, let places):
      guard let entry = places[name] else {
        throw InterchangeError(path: path, problem: .tensor("is not in the file", name: name))
      }
      return try file.tensor(entry)
    }
  }
}
