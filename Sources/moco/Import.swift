import ArgumentParser
import Files
import Foundation
import Methods
import Models
import Training
import Weights

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Import weights of other programs: PyTorch, timm, transformers, lightly, solo-learn and more.",
    discussion: """
      The file may be a .pth, .pth.tar or .ckpt of torch.save, old or new, a .pkl of numpy arrays, or safetensors. \
      Nothing in it is run: objects that are no weights are passed over unread and named, and a file that would have \
      Python run code is refused. Projection heads come along, MoCo v3's too (see --layer head of knn and features); its \
      predictor, which no command uses, does not. docs/guide/formats.md lists the libraries that were tried.

        moco import moco_v2_200ep_pretrain.pth.tar --out moco_v2.safetensors
        moco import last.ckpt --encoder teacher --out teacher.safetensors
        moco knn moco_v2.safetensors --train labelled/train --test labelled/test
      """)

  @Argument(help: "The file of weights.")
  var file: String
  @Option(help: ArgumentHelp("The checkpoint to write.", valueName: "file.safetensors"))
  var out: String
  @Option(help: "The network the file must hold; any unless given.")
  var arch: Architecture?
  @Option(
    help: """
      Where a file has two that go together: query or student, or key, teacher or ema; query unless given. They are found \
      by the names of MoCo, lightly, solo-learn, mmpretrain, DINO, BYOL and timm.
      """)
  var encoder: EncoderChoice?
  @Option(
    help: ArgumentHelp(
      "The beginning of the encoder's names, as state_dict.backbone, where a file has several networks.",
      valueName: "names"))
  var prefix: String?
  @Option(
    help: """
      For a first convolution that does not read three channels: sum spreads the sum of its channels over the three, so \
      that gray images keep their features; first keeps the first three.
      """)
  var channels: StemChannels?
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
      """
      Fail if a tensor of the encoder has no place, none is there for the network's, one has values that are NaN or \
      infinite, or its heads are a guess.
      """
  )
  var strict = false
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try checkCheckpointOutput(out)
    guard FileManager.default.fileExists(atPath: file) else {
      throw UsageError("\(file): there is no such file. Check the path.")
    }
    if encoder != nil, prefix != nil {
      throw UsageError("--encoder and --prefix both choose a network. Give one of them.")
    }
    var imported = try ImportedEncoder(
      in: WeightsFile(file), role: encoder?.role, prefix: prefix, channels: channels)
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
    if channels != nil, imported.channelNote == nil {
      Console().warn("--channels has no effect: the first convolution reads three channels.")
    }
    let nonFinite = try imported.write(to: out, refusesNonFinite: strict)
    if let first = nonFinite.first {
      Console().warn(
        "\(file): \(tensorCount(nonFinite.count)) with values that are NaN or infinite, the first \(first). Features of "
          + "these weights are NaN.")
    }
    if json { try printJSON(report) } else { describe(report, partner: imported.partner) }
  }

  /// The network with the options that its weights do not show.
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

  private func describe(_ report: ImportedEncoder.Report, partner: (prefix: String, word: String)?) {
    let heads = report.heads.map { ", \($0) heads" } ?? ""
    print("\(report.arch), \(report.stem) stem\(heads), head: \(report.head)")
    print(report.images)
    let names = report.prefix.isEmpty ? "" : ", names beginning `\(report.prefix)`"
    let library = report.library.map { ", of \($0)" } ?? ""
    print("\(report.tensors) tensors from \(file)\(names)\(library)")
    for name in report.unmatched { print("no place for       \(name)") }
    for name in report.missing { print("not in the file, 0 \(name)") }
    if let (prefix, word) = partner {
      print("its other encoder: `\(prefix)`, which --encoder \(word) imports")
    }
    if report.others > 0 { print("\(tensorCount(report.others)) of other parts left out") }
    if !report.leftUnread.isEmpty {
      let more = report.leftUnread.count > 8 ? ", …" : ""
      print("left unread: \(report.leftUnread.prefix(8).joined(separator: ", "))\(more)")
    }
    for note in report.notes { print("\(note)") }
    print("written: \(out)")
  }
}

extension EncoderRole: ExpressibleByArgument {}
extension StemChannels: ExpressibleByArgument {}

/// The words for two encoders that go together.
enum EncoderChoice: String, CaseIterable, ExpressibleByArgument {
  case query, student, key, teacher, ema

  var role: EncoderRole {
    switch self {
    case .query, .student: .query
    case .key, .teacher, .ema: .key
    }
  }
}
