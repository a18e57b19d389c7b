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

  /// - Throws: `RunError` if the checkpoint has no such encoder or a tensor of it is missing, ``InterchangeError`` if
  ///   the format has no names for the network.
  public init(_ checkpoint: Checkpoint, role: EncoderRole = .query, format: ExportFormat) throws {
    let own = checkpoint.encoder(role)
    guard let match = EncoderMatch(shapes: own.mapValues(\.shape)), match.isClose else {
      throw RunError(
        "\(checkpoint.path): it has no \(role.rawValue) encoder. `moco inspect` shows what it holds.")
    }
    try format.check(match.spec.arch, path: checkpoint.path)
    var spec = match.spec
    spec.heads = try? checkpoint.encoderSpec.heads
    if checkpoint.head != .classifier { spec.head = nil }
    tensors = try spec.tensors.map { tensor in
      guard let own = own[tensor.name] else {
        throw RunError("\(checkpoint.path): the tensor \(role.prefix)\(tensor.name) is missing.")
      }
      return (tensor.name, own)
    }
    (self.spec, self.format) = (spec, format)
  }

  /// Writes the file: whole or, on an error, not at all.
  /// - Throws: ``FileError``, ``InterchangeError``, or `TorchError` if a tensor cannot be brought to the CPU.
  public func write(to path: String) throws { try format.write(tensors, to: path) }

  /// How timm builds the network, where its name alone does not say it.
  public var timmConstructor: String? {
    guard format == .timm, let transformer = spec.arch.transformer else { return nil }
    return "VisionTransformer(img_size=\(spec.imageSize), embed_dim=\(transformer.width), "
      + "depth=\(transformer.depth), num_heads=\(spec.heads ?? Architecture.defaultHeads), num_classes=0)"
  }
}
