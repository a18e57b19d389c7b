import ArgumentParser
import Models
import Training
import Weights

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Export an encoder to PyTorch, timm, detectron2 or anything that reads safetensors.",
    discussion: """
      The encoder is written up to its pooled features, by torchvision's names (a vision transformer by timm's) or, \
      for detectron2, by those of its backbone. The head of contrastive learning stays behind, as in every transfer; \
      an imported classifier is written too.

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
    let export = try EncoderExport(loaded, role: encoder, format: format)
    try export.write(to: out)
    if let constructor = export.timmConstructor { print("In timm it is a \(constructor).") }
    print("\(export.tensors.count) tensors of the \(encoder.rawValue) encoder written: \(out)")
  }
}

extension ExportFormat: ExpressibleByArgument {}
