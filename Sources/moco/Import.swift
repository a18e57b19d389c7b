import ArgumentParser
import Files
import Foundation
import Methods
import Models
import Training
import Weights

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Import weights from PyTorch, timm, detectron2 or the published MoCo checkpoints.",
    discussion: """
      The file may be a .pth or .pth.tar of torch.save, old or new, a .pkl of numpy arrays, or safetensors. Nothing in \
      it is run: a file that asks to call anything that weights do not need is refused. Projection heads come along, \
      MoCo v3's too (see --layer head of knn and features); its predictor, which no command uses, does not.

        moco import moco_v2_200ep_pretrain.pth.tar --out moco_v2.safetensors
        moco knn moco_v2.safetensors --train labelled/train --test labelled/test
      """)

  @Argument(help: "The file of weights.")
  var file: String
  @Option(help: ArgumentHelp("The checkpoint to write.", valueName: "file.safetensors"))
  var out: String
  @Option(help: "The network the file must hold; any unless given.")
  var arch: Architecture?
  @Option(help: "Which encoder of a contrastive method: query or key.")
  var encoder = EncoderRole.query
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Heads of a vision transformer's attention, which cannot be read from the weights; 12 unless given.",
      valueName: "n"))
  var heads: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pixels of zeros around an image before a 3×3 stem, which cannot be read from the weights; 1 unless given or "
        + "known of the file's library.", valueName: "n"))
  var stemPadding: Int?
  @Option(
    help:
      "A vision transformer's features: token (the class token, unless given) or average (of the patches).")
  var pooling: Pooling?
  @OptionGroup var images: ImageOptions
  @Flag(
    help:
      "Fail if a tensor of the encoder has no place, none is there for the network's, or its heads are a guess."
  )
  var strict = false
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try checkCheckpointOutput(out)
    guard FileManager.default.fileExists(atPath: file) else {
      throw UsageError("\(file): there is no such file. Check the path.")
    }
    var imported = try ImportedEncoder(in: WeightsFile(file), role: encoder)
    imported.spec = try described(imported.spec)
    let report = imported.report
    if strict, !report.unmatched.isEmpty || !report.missing.isEmpty {
      throw RunError(
        "\(file): \(mismatch(report.unmatched, report.missing)) Nothing was written. Without --strict this is only "
          + "reported.")
    }
    if let guess = imported.guessOfHeads {
      if strict { throw RunError("\(file): \(guess). Name them with --heads. Nothing was written.") }
      Console().warn("\(guess). If it has others, name them with --heads.")
    }
    try imported.write(to: out)
    if json { try printJSON(report) } else { describe(report) }
  }

  /// What the weights do not show, as the options say it.
  private func described(_ spec: EncoderSpec) throws -> EncoderSpec {
    if let arch, arch != spec.arch {
      throw RunError("\(file): it holds a \(spec.arch.rawValue), not the \(arch.rawValue) of --arch.")
    }
    var spec = spec
    spec.heads = heads ?? spec.heads
    spec.stemPadding = stemPadding ?? spec.stemPadding
    spec.pooling = pooling ?? spec.pooling
    return try images.applied(to: spec)
  }

  private func mismatch(_ unmatched: [String], _ missing: [String]) -> String {
    func list(_ names: [String]) -> String {
      names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    }
    var parts: [String] = []
    if !unmatched.isEmpty {
      parts.append("\(tensorCount(unmatched.count)) without a place: \(list(unmatched)).")
    }
    if !missing.isEmpty { parts.append("\(tensorCount(missing.count)) not in the file: \(list(missing)).") }
    return parts.joined(separator: " ")
  }

  private func tensorCount(_ count: Int) -> String { "\(count) tensor\(count == 1 ? "" : "s")" }

  private func describe(_ report: ImportedEncoder.Report) {
    let heads = report.heads.map { ", \($0) heads" } ?? ""
    print("\(report.arch), \(report.stem) stem\(heads), head: \(report.head)")
    print(report.images)
    let names = report.prefix.isEmpty ? "" : ", names beginning `\(report.prefix)`"
    print("\(report.tensors) tensors from \(file)\(names)")
    for name in report.unmatched { print("no place for       \(name)") }
    for name in report.missing { print("not in the file, 0 \(name)") }
    if report.others > 0 { print("\(tensorCount(report.others)) of other parts left out") }
    print("written: \(out)")
  }
}

extension EncoderRole: ExpressibleByArgument {}

extension Pooling: ExpressibleByArgument {}
