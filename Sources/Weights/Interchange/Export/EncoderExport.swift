import Files
import Models
import Torch

/// An encoder of a checkpoint, on its way to another program: the backbone, and a classifier where the weights' file has
/// one. The head of a contrastive method stays behind, as in every transfer.
///
///     let checkpoint = try Checkpoint.load("runs/v2", optimizer: false)
///     try EncoderExport(checkpoint, format: .torchvision).write(to: "encoder.pth")
public struct EncoderExport {
  public let spec: EncoderSpec
  public let format: ExportFormat
  /// By torchvision's names, or timm's of a vision transformer.
  public let tensors: [(name: String, tensor: Tensor)]
  /// Whether an ONNX graph takes bytes and normalises them itself.
  public var normalizes = false

  /// - Throws: `RunError` if the checkpoint has no such encoder or a tensor of it is missing, ``InterchangeError`` if
  ///   the format has no names for the network.
  public init(_ checkpoint: Checkpoint, role: EncoderRole = .query, format: ExportFormat) throws {
    let own = checkpoint.encoder(role)
    guard let match = EncoderMatch(shapes: own.mapValues(\.shape)), match.isClose else {
      throw RunError(
        "\(checkpoint.path): it has no \(role.rawValue) encoder. `moco inspect` shows what it holds.")
    }
    // What tensors do not show is as the file states it.
    var spec = match.spec
    let isStated = checkpoint.statedSpec != nil || checkpoint.metadata["config"] != nil
    if let stated = isStated ? try checkpoint.encoderSpec : nil, stated.arch == spec.arch {
      spec = stated
      (spec.stem, spec.head) = (match.spec.stem, match.spec.head)
    }
    if checkpoint.head != .classifier { spec.head = nil }
    try format.check(spec, path: checkpoint.path)
    tensors = try spec.tensors.map { tensor in
      guard let own = own[tensor.name] else {
        throw RunError("\(checkpoint.path): the tensor \(role.prefix)\(tensor.name) is missing.")
      }
      return (tensor.name, own)
    }
    (self.spec, self.format) = (spec, format)
  }

  /// Writes the file or folder: each file whole or, on an error, not at all.
  /// - Throws: ``FileError``, ``InterchangeError``, or `TorchError` if a tensor cannot be brought to the CPU.
  public func write(to path: String) throws {
    switch format {
    case .torchvision, .timm, .detectron2, .safetensors:
      try format.write(tensors, network: spec, to: path)
    case .transformers: try TransformersFolder(spec, tensors).write(to: path)
    case .lightly:
      try replaceFile(path) {
        try writeStateDictionary(
          LightlyNames.backbone(tensors), under: LightlyNames.key(spec.arch), path: path, with: $0)
      }
    case .onnx: try ONNXFile(spec, tensors, normalizes: normalizes).write(to: path)
    }
  }
}
