import ArgumentParser
import Files
import Methods
import Models
import Torch
import Training
import Weights

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Hand an encoder over to PyTorch, timm, detectron2 or anything that reads safetensors.",
    discussion: """
      The encoder up to its pooled features goes out, in torchvision's names (a vision transformer's in \
      timm's) or, for detectron2, in those of its backbone. The head of contrastive learning stays behind, as it does in every transfer; a classifier that \
      was imported goes along.

        moco export runs/v2 --format torchvision --out encoder.pth
      """)

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Option(help: "torchvision, timm, detectron2 or safetensors.")
  var format: ExportFormat
  @Option(help: "The file to write.")
  var out: String
  @Option(help: "Which encoder: query or key.")
  var encoder = EncoderRole.query

  func run() throws {
    try checkOutputs(("--out", out))
    let loaded = try Checkpoint.load(checkpoint, optimizer: false)
    for damage in loaded.damaged { Console().warn("\(damage.fact) The one before it is used.") }
    let prefix = encoder == .query ? "encoder_q." : "encoder_k."
    let own = Dictionary(
      uniqueKeysWithValues: loaded.model.filter { $0.key.hasPrefix(prefix) }
        .map { (String($0.key.dropFirst(prefix.count)), $0.value) })
    guard let layout = EncoderLayout(shapes: own.mapValues(\.shape)) else {
      throw RunError(
        "\(loaded.path): it has no \(encoder.rawValue) encoder. `moco inspect` shows what it holds.")
    }
    try format.check(layout, path: loaded.path)
    let head =
      loaded.head == .classifier ? ["\(layout.headName).weight", "\(layout.headName).bias"] : []
    let tensors = try (layout.tensors.map(\.name) + head).map { name in
      guard let tensor = own[name] else {
        throw RunError("\(loaded.path): the tensor \(prefix)\(name) is missing.")
      }
      return (name: name, tensor: tensor)
    }
    try format.write(tensors, to: out)
    if case .transformer(let transformer) = layout, format == .timm {
      let config = try loaded.metadata["config"].map { try RunConfig(yaml: $0, source: loaded.path) }
      print(
        "In timm it is a VisionTransformer(img_size=\(transformer.imageSize), embed_dim=\(transformer.width), "
          + "depth=\(transformer.depth), num_heads=\(config?.heads ?? Architecture.defaultHeads), num_classes=0)."
      )
    }
    print("\(tensors.count) tensors of the \(encoder.rawValue) encoder written: \(out)")
  }
}

extension ExportFormat: ExpressibleByArgument {}
