import Files
import Models
import Torch

/// The formats of exported weights. What a format is, which files it makes and which networks it has names for stands
/// here; how it is written stands in a file of its own.
public enum ExportFormat: String, Codable, Sendable, CaseIterable {
  /// A state_dict as `torch.save` writes it and `torch.load(weights_only=True)` reads it.
  case torchvision
  /// The same: timm's ResNets have torchvision's names, and vision transformers have timm's here.
  case timm
  /// A pickle of numpy arrays with detectron2's names of the backbone, for its `MODEL.WEIGHTS`.
  case detectron2
  /// torchvision's names, or timm's of a vision transformer.
  case safetensors
  /// A folder for `AutoModel.from_pretrained`.
  case transformers
  /// A graph for onnxruntime and other programs.
  case onnx
  /// The backbone as lightly's documented examples load it.
  case lightly

  /// The extensions of its files, the usual one first; none where it is a folder.
  package var extensions: [String] {
    switch self {
    case .torchvision, .timm, .lightly: ["pth", "pt"]
    case .detectron2: ["pkl"]
    case .safetensors: ["safetensors"]
    case .onnx: ["onnx"]
    case .transformers: []
    }
  }

  /// Refuses an extension that its files do not have.
  /// - Throws: `UsageError`.
  package func checkName(_ path: String) throws {
    let ending = path.pathExtension
    if ending.isEmpty || extensions.contains(ending) { return }
    let others = ExportFormat.allCases.filter { $0.extensions.contains(ending) }.map(\.rawValue)
    if extensions.isEmpty, others.isEmpty { return }
    let own =
      extensions.isEmpty
      ? "\(rawValue) takes a folder: name it without an extension"
      : "\(rawValue) takes a file that ends in .\(extensions.joined(separator: " or ."))"
    let choice = others.isEmpty ? "" : ", or choose --format \(others.joined(separator: " or "))"
    throw UsageError("--out \(path): \(own)\(choice).")
  }

  /// Refuses a network for which the format's program has no names.
  /// - Parameter path: of the network's checkpoint.
  /// - Throws: ``InterchangeError``.
  package func check(_ spec: EncoderSpec, path: String) throws {
    guard let obstacle = obstacle(to: spec) else { return }
    throw InterchangeError(path: path, problem: .unsupported(obstacle))
  }

  private func obstacle(to spec: EncoderSpec) -> String? {
    let arch = spec.arch.rawValue
    switch self {
    case .torchvision, .detectron2, .lightly:
      if spec.arch.isTransformer {
        return "a vision transformer goes out with timm's names only, not with \(rawValue)'s. "
          + "Export --format timm, safetensors, transformers or onnx."
      }
      return self == .lightly && !spec.arch.isInTorchvision
        ? "lightly's examples build torchvision's networks, and \(arch) is none of them. "
          + "Export --format safetensors or onnx." : nil
    case .transformers:
      return TransformersFolder.obstacle(to: spec).map {
        "\($0) Export --format \(spec.arch.isTransformer ? "timm" : "torchvision"), safetensors or onnx."
      }
    case .timm, .safetensors, .onnx: return nil
    }
  }

  /// Writes tensors with torchvision's names to a file: whole or, on an error, not at all. Of the formats that need no
  /// more than names; see ``EncoderExport`` for all.
  /// - Parameter network: stated in the file where the format has a place for it.
  /// - Throws: ``FileError``, ``InterchangeError``, or `TorchError` if a tensor cannot be brought to the CPU.
  public func write(
    _ tensors: [(name: String, tensor: Tensor)], network: EncoderSpec? = nil, to path: String
  ) throws {
    let statement = try network.map { [EncoderSpec.exportKey: try $0.json()] } ?? [:]
    switch self {
    case .safetensors:
      try Safetensors.write(
        tensors, metadata: statement.merging(["format": "pt"]) { own, _ in own }, to: path)
    case .torchvision, .timm:
      try replaceFile(path) {
        try writeStateDictionary(tensors, attributes: statement, path: path, with: $0)
      }
    case .detectron2:
      let backbone = tensors.filter { !$0.name.hasPrefix(Architecture.resnet50.headName + ".") }
        .map { (Detectron2Names.name(torchvision: $0.name), $0.tensor) }
      try replaceFile(path) { try writeArrays(backbone, path: path, with: $0) }
    case .transformers, .onnx, .lightly:
      preconditionFailure("\(rawValue) needs the network, not its tensors' names alone")
    }
  }
}

extension EncoderSpec {
  /// The name under which an exported file states its network, as JSON: in safetensors' and ONNX's metadata, and as an
  /// attribute of the dictionary that `torch.load` returns.
  package static let exportKey = "network"
}

extension Architecture {
  /// Whether torchvision has a function of this name.
  package var isInTorchvision: Bool {
    switch self {
    case .resnet8, .resnet20, .wideResnet50x4: false
    default: !isTransformer
    }
  }
}
