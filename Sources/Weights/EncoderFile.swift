import Foundation
import Models
import Torch

extension EncoderSpec {
  /// Writes an encoder as a checkpoint of weights, which every command takes.
  /// - Parameters:
  ///   - encoder: the network of this spec.
  ///   - head: the use of its head.
  ///   - source: the origin of the weights.
  /// - Throws: `FileError`, or `TorchError` if a tensor cannot be brought to the CPU.
  public func write(_ encoder: ImageEncoder, head: HeadKind, source: String? = nil, to path: String) throws {
    let tensors = try withTorchErrors { encoder.state.map { (name: $0.name, tensor: $0.tensor.detached()) } }
    try write(tensors, head: head, source: source, to: path)
  }

  /// - Parameter tensors: of an encoder, by its own names.
  func write(_ tensors: [(name: String, tensor: Tensor)], head: HeadKind, source: String?, to path: String)
    throws
  {
    try Safetensors.write(
      tensors.map { (EncoderRole.query.prefix + $0.name, $0.tensor) },
      metadata: try metadata(head: head, source: source), to: path)
  }

  /// The notes of such a file.
  func metadata(head: HeadKind, source: String?) throws -> [String: String] {
    var metadata = [
      EncoderSpec.metadataKey: try json(), "format": "moco",
      HeadKind.metadataKey: head.rawValue,
    ]
    metadata["source"] = source
    return metadata
  }

  /// As files state it.
  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
