import ArgumentParser
import Files
import Foundation
import Methods
import Models
import Reports
import Torch
import Training
import Weights

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take over weights from PyTorch, timm, detectron2 or the published MoCo checkpoints.",
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
  @Option(help: "The network the file must hold; what it holds unless given.")
  var arch: Architecture?
  @Option(help: "Which encoder of a contrastive method: query or key.")
  var encoder = EncoderRole.query
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Heads of a vision transformer's attention, which its weights do not tell; 12 unless given.",
      valueName: "n"))
  var heads: Int?
  @Flag(
    help:
      "Fail if a tensor of the encoder has no place, none is there for the network's, or its heads are a guess."
  )
  var strict = false
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    var arch: String
    var stem: String
    var head: String
    /// Of a vision transformer's attention.
    var heads: Int?
    /// What the names of the encoder's tensors begin with in the file.
    var prefix: String
    /// Of the file, that are the network's.
    var tensors: Int
    /// In the file, without a place in the network.
    var unmatched: [String]
    /// In the network, not in the file; 0 now. A head belongs to no features and is named as a whole.
    var missing: [String]
    /// Tensors of the file's other parts.
    var others: Int
  }

  func run() throws {
    try checkCheckpointOutput(out)
    guard FileManager.default.fileExists(atPath: file) else {
      throw UsageError("\(file): there is no such file. Check the path.")
    }
    let found = try ImportedEncoder(in: WeightsFile(file), role: encoder)
    let config = try makeConfig(found)
    let headName = found.layout.headName
    if strict, !found.unmatched.isEmpty || !found.filled.isEmpty {
      throw RunError(
        "\(file): \(mismatch(found.unmatched, found.filled)) Nothing was written. Without --strict this is only told."
      )
    }
    if let guess = guessOfHeads(found, config) {
      if strict { throw RunError("\(file): \(guess). Name them with --heads. Nothing was written.") }
      Console().warn("\(guess). If it has others, name them with --heads.")
    }
    var tensors = try found.tensors()
    let count = tensors.count - found.filled.count
    if found.head == .none {
      // The network has a head in any case; features do not depend on it.
      tensors += try withTorchErrors {
        [
          ("\(headName).weight", .zeros([config.mocoDim, found.layout.featureSize])),
          ("\(headName).bias", .zeros([config.mocoDim])),
        ]
      }
    }
    let notes = [
      "config": String(decoding: try JSONEncoder().encode(config), as: UTF8.self), "format": "moco",
      HeadKind.key: found.head.kind.rawValue, "source": "\(file.lastPathPart), \(found.prefix)*",
    ]
    try Safetensors.write(tensors.map { ("encoder_q.\($0.name)", $0.tensor) }, metadata: notes, to: out)
    let report = Report(
      arch: config.arch.rawValue, stem: found.layout.stemName,
      head: found.head.kind.rawValue, heads: heads(of: config), prefix: found.prefix, tensors: count,
      unmatched: found.unmatched, missing: found.filled + (found.head == .none ? [headName] : []),
      others: found.otherCount)
    if json { try printJSON(report) } else { describe(report) }
  }

  /// The configuration of a run that would have made these weights, as far as they tell.
  private func makeConfig(_ found: ImportedEncoder) throws -> RunConfig {
    guard let known = Architecture(found.layout) else {
      throw RunError(
        "\(file): \(found.layout.summary) is none that is known here: "
          + "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    if let arch, arch != known {
      throw RunError("\(file): it holds a \(known.rawValue), not the \(arch.rawValue) of --arch.")
    }
    var config = RunConfig()
    config.arch = known
    switch found.layout {
    case .resNet(let layout):
      config.stem = layout.stemKernel == 3 ? .cifar : .imageNet
      if config.stem == .cifar {
        config.imageSize = 32
        config.views = .cifar
      }
    case .transformer(let layout): config.imageSize = layout.imageSize
    }
    config.heads = heads
    switch found.head {
    case .none: break
    case .classifier(let outputs): config.mocoDim = outputs
    case .projection(let outputs, let isMLP):
      config.mocoDim = outputs
      config.mlp = isMLP
    case .normalizedProjection(let hidden, let outputs):
      config.method = "moco-v3"
      config.mocoDim = outputs
      config.mocoMlpDim = hidden
    }
    try config.validate()
    return config
  }

  private func heads(of config: RunConfig) -> Int? {
    config.arch.isTransformer ? config.heads ?? Architecture.defaultHeads : nil
  }

  /// What has to be believed of a small transformer, unless its names are MoCo v3's.
  private func guessOfHeads(_ found: ImportedEncoder, _ config: RunConfig) -> String? {
    guard config.arch == .vitSmall, heads == nil, !found.isOfMoCoV3 else { return nil }
    return
      "\(config.arch.rawValue) is read with \(Architecture.defaultHeads) heads, as MoCo v3's has: the file does not "
      + "tell, and timm's own has 6"
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

  private func describe(_ report: Report) {
    let heads = report.heads.map { ", \($0) heads" } ?? ""
    print("\(report.arch), \(report.stem) stem\(heads), head: \(report.head)")
    let names = report.prefix.isEmpty ? "" : ", names beginning `\(report.prefix)`"
    print("\(report.tensors) tensors from \(file)\(names)")
    for name in report.unmatched { print("no place for       \(name)") }
    for name in report.missing { print("not in the file, 0 \(name)") }
    if report.others > 0 { print("\(tensorCount(report.others)) of other parts left out") }
    print("written: \(out)")
  }
}

extension EncoderRole: ExpressibleByArgument {}

extension ImportedEncoder.Head {
  var kind: HeadKind {
    switch self {
    case .none: .missing
    case .projection, .normalizedProjection: .projection
    case .classifier: .classifier
    }
  }
}

extension EncoderLayout {
  fileprivate var stemName: String {
    switch self {
    case .resNet(let layout): (layout.stemKernel == 3 ? Stem.cifar : .imageNet).rawValue
    case .transformer(let layout): layout.hasConvolutionalStem ? "convolutional" : "patch"
    }
  }

  fileprivate var summary: String {
    switch self {
    case .resNet(let layout): "a residual network with \(layout.blocks) blocks of width \(layout.inner)"
    case .transformer(let layout): "a vision transformer with \(layout.depth) blocks of width \(layout.width)"
    }
  }
}

extension Architecture {
  /// The network of these sizes.
  init?(_ layout: EncoderLayout) {
    switch layout {
    case .resNet(let layout): self.init(layout)
    case .transformer(let layout):
      switch (layout.width, layout.depth, layout.hasConvolutionalStem) {
      case (384, 12, false): self = .vitSmall
      case (768, 12, false): self = .vitBase
      case (384, 11, true): self = .vitConvSmall
      case (768, 11, true): self = .vitConvBase
      default: return nil
      }
    }
  }

  private init?(_ layout: ResNetLayout) {
    switch (layout.isBottleneck, layout.width, layout.inner, layout.groups, layout.blocks) {
    case (false, 16, 16, 1, [1, 1, 1]): self = .resnet8
    case (false, 16, 16, 1, [3, 3, 3]): self = .resnet20
    case (false, 64, 64, 1, [2, 2, 2, 2]): self = .resnet18
    case (false, 64, 64, 1, [3, 4, 6, 3]): self = .resnet34
    case (true, 64, 64, 1, [3, 4, 6, 3]): self = .resnet50
    case (true, 64, 64, 1, [3, 4, 23, 3]): self = .resnet101
    case (true, 64, 64, 1, [3, 8, 36, 3]): self = .resnet152
    case (true, 64, 128, 32, [3, 4, 6, 3]): self = .resnext50
    case (true, 64, 128, 1, [3, 4, 6, 3]): self = .wideResnet50x2
    case (true, 64, 256, 1, [3, 4, 6, 3]): self = .wideResnet50x4
    default: return nil
    }
  }
}
