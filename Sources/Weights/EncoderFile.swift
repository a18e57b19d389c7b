import Foundation
import Models
import Torch

extension EncoderSpec {
  /// Writes an encoder as a checkpoint of weights, which every command takes.
  /// - Parameters:
  ///   - encoder: the network of this spec.
  ///   - head: what follows its features.
  ///   - source: where the weights come from.
  /// - Throws: `FileError`, or `TorchError` if a tensor cannot be brought to the CPU.
  public func write(_ encoder: ImageEncoder, head: HeadKind, source: String? = nil, to path: String) throws {
    let json = JSONEncoder()
    json.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var metadata = [
      EncoderSpec.metadataKey: String(decoding: try json.encode(self), as: UTF8.self), "format": "moco",
      HeadKind.key: head.rawValue,
    ]
    metadata["source"] = source
    let tensors = try withTorchErrors {
      encoder.state.map { (name: EncoderRole.query.prefix + $0.name, tensor: $0.tensor.detached()) }
    }
    try Safetensors.write(tensors, metadata: metadata, to: path)
  }
}
