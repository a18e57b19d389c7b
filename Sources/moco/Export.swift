import ArgumentParser
import Files
import Models
import Training
import Weights

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Export an encoder to PyTorch, timm, transformers, lightly, detectron2, ONNX or safetensors.",
    discussion: """
      The encoder is written up to its pooled features, by torchvision's names (a vision transformer by timm's) or by \
      those of the chosen program. The head of contrastive learning stays behind, as in every transfer; an imported \
      classifier is written too where the format has a place for it. Then lines of Python are printed that load it.

        moco export runs/v2 --format torchvision --out encoder.pth
        moco export runs/v2 --format transformers --out encoder
        moco export runs/v2 --format onnx --normalise --out encoder.onnx

      Files: .pth or .pt of torchvision, timm and lightly, .pkl of detectron2, .safetensors, .onnx; of transformers a \
      folder.
      """)

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Option(help: "torchvision, timm, detectron2, safetensors, transformers, onnx or lightly.")
  var format: ExportFormat
  @Option(help: "The file to write, or transformers' folder.")
  var out: String
  @Option(help: "Which encoder: query or key.")
  var encoder = EncoderRole.query
  @Flag(help: "Normalise the images in the ONNX graph, which then takes bytes.")
  var normalise = false

  func run() throws {
    try format.checkName(out)
    if normalise, format != .onnx {
      throw UsageError("--normalise: only --format onnx has a graph that can do it.")
    }
    try checkPlace()
    let loaded = try Checkpoint.load(checkpoint, optimizer: false)
    for warning in loaded.warnings { Console().warn(warning) }
    var export = try EncoderExport(loaded, role: encoder, format: format)
    export.normalizes = normalise
    try export.write(to: out)
    print("\(export.tensors.count) tensors of the \(encoder.rawValue) encoder written: \(out)")
    let hint = export.hint(out)
    for note in hint.notes { print(note) }
    guard !hint.code.isEmpty else { return }
    print("In Python, for images of N×3×\(export.spec.imageSize)×\(export.spec.imageSize):")
    for line in hint.code { print("    \(line)") }
  }

  private func checkPlace() throws {
    guard format.extensions.isEmpty else { return try checkOutputs(("--out", out)) }
    try checkOutputs(("--out", joined(out, "config.json")), makesFolders: true)
  }
}

extension ExportFormat: ExpressibleByArgument {}
