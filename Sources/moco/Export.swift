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
        moco export runs/voc --format detectron2 --out detector.pkl

      A run of detect goes to detectron2 as a whole detector, a .pkl or a .pth.

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
    if format == .detectron2, try isDetector() { return try exportDetector() }
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

  /// Whether the checkpoint is one of `moco detect`.
  private func isDetector() throws -> Bool {
    try Checkpoint.metadata(of: checkpoint)[InitialWeights.detectorKey] != nil
  }

  /// A whole detector, by detectron2's names.
  private func exportDetector() throws {
    try checkOutputs(("--out", out))
    let loaded = try Checkpoint.load(checkpoint, optimizer: false)
    for warning in loaded.warnings { Console().warn(warning) }
    let state = loaded.model.sorted { $0.key < $1.key }.map { (name: $0.key, tensor: $0.value) }
    let export = Detectron2Export(state, iteration: loaded.state?.step ?? 0)
    try export.write(to: out)
    print("\(export.tensors.count) tensors of the detector written: \(out)")
    print("In a configuration of detectron2: MODEL.WEIGHTS \(out)")
  }

  private func checkPlace() throws {
    guard format.extensions.isEmpty else { return try checkOutputs(("--out", out)) }
    try checkOutputs(("--out", joined(out, "config.json")), makesFolders: true)
  }
}

extension ExportFormat: ExpressibleByArgument {}
