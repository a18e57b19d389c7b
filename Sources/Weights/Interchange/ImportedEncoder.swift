import Files
import Models
import Torch

/// An encoder in a file of weights from elsewhere, under any prefix: `state_dict.module.encoder_q.`,
/// `module.base_encoder.`, `model.`, none at all.
///
///     let encoder = try ImportedEncoder(in: WeightsFile("moco_v2_200ep_pretrain.pth.tar"))
///     encoder.spec.arch                            // .resnet50
///     try encoder.write(to: "moco_v2.safetensors")  // for TrainedEncoder
public struct ImportedEncoder {
  /// The network; its head as far as it is of a known kind.
  public package(set) var spec: EncoderSpec
  /// The use of the head.
  public let head: HeadKind
  /// The beginning of the names of the encoder's tensors in the file.
  public let prefix: String
  /// Tensors of the encoder that have no place in the network, by their names in the file.
  public let unmatched: [String]
  /// Counters of batch normalisation that the file lacks; they are 0 then.
  public let filled: [String]
  /// The number of tensors of the file's other parts: the other encoder, the queue, an optimizer.
  public let otherCount: Int
  /// The network's names and those in the file.
  private let places: [(name: String, source: String)]
  private let file: WeightsFile

  /// Finds the encoder of a role. If a file has one network that is of no role, it is the query encoder.
  /// - Throws: ``InterchangeError`` if there is none, if there are several, or if a tensor is missing or has
  ///   another shape.
  public init(in file: WeightsFile, role: EncoderRole = .query) throws {
    func failure(_ what: String) -> InterchangeError {
      InterchangeError(path: file.path, problem: .noEncoder(what))
    }
    self.file = file
    let prefix = try Self.prefix(in: file, role)
    var sources: [String: WeightsFile.Entry] = [:]
    let own = file.entries.filter { $0.name.hasPrefix(prefix) }
    for entry in own {
      let name = Detectron2Names.torchvisionName(String(entry.name.dropFirst(prefix.count)))
      guard sources.updateValue(entry, forKey: name) == nil else {
        throw failure("two tensors stand for \(name). Save only one network's state_dict.")
      }
    }
    guard let match = EncoderMatch(shapes: sources.mapValues(\.shape)), match.isClose else {
      throw failure(
        "the tensors\(prefix.isEmpty ? "" : " under `\(prefix)`") are of no network that is known here: "
          + "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    if let first = match.missing.first {
      throw failure("\(prefix)\(first.name) is missing: the network is not whole.")
    }
    if let first = match.misshapen.first, let source = sources[first.name] {
      throw failure(
        "\(source.name) has the shape \(source.shape), not \(first.shape) as its neighbours need.")
    }
    // Layers that are not in the network compute other features.
    let foreign = match.foreign.compactMap { sources[$0]?.name }.sorted()
    if let first = foreign.first {
      throw failure(
        "it is another network than it seems: its blocks have \(foreign.count) tensor\(foreign.count == 1 ? "" : "s") "
          + "that no network known here has, such as \(first).")
    }
    spec = match.spec
    head = HeadKind(match.spec.head, prefix: prefix)
    self.prefix = prefix
    places = match.tensors.compactMap { tensor in sources[tensor.name].map { (tensor.name, $0.name) } }
    filled = match.tensors.map(\.name).filter { sources[$0] == nil }
    let used = Set(places.map(\.source))
    unmatched = own.map(\.name).filter { !used.contains($0) }
    otherCount = file.entries.count - own.count
  }

  /// Heads of a vision transformer's attention, which cannot be read from the weights: a divisor of the features' size;
  /// nil stands for ``Architecture/defaultHeads``.
  public var heads: Int? {
    get { spec.heads }
    set {
      precondition(spec.arch.isTransformer || newValue == nil, "heads of a \(spec.arch.rawValue)")
      spec.heads = newValue
    }
  }

  /// A sentence without its full stop where the number of heads is a guess: another program builds another network of
  /// these tensors.
  public var guessOfHeads: String? {
    guard let theirs = spec.arch.headsInTimm, heads == nil, !isOfMoCoV3 else { return nil }
    return
      "\(spec.arch.rawValue) is read with \(Architecture.defaultHeads) heads, as MoCo v3's has: their number cannot "
      + "be read from the weights, and timm's own has \(theirs)"
  }

  /// Reads the tensors by the network's names, the head's too.
  public func tensors() throws -> [(name: String, tensor: Tensor)] {
    try places.map { ($0.name, try file.tensor($0.source)) }
      + filled.map { name in (name, try withTorchErrors { Tensor.zeros([], dtype: .int64) }) }
  }

  /// Writes it as a checkpoint of weights, which every command takes.
  /// - Throws: as ``tensors()``, and `FileError`.
  public func write(to path: String) throws {
    try spec.write(try tensors(), head: head, source: "\(file.path.lastPathPart), \(prefix)*", to: path)
  }
}

// MARK: - Report

extension ImportedEncoder {
  /// A summary of an import.
  public struct Report: Codable, Sendable {
    public var arch: String
    public var stem: String
    public var head: String
    /// Of a vision transformer's attention.
    public var heads: Int?
    /// How images become the network's input, in words.
    public var images: String
    /// The beginning of the names of the encoder's tensors in the file.
    public var prefix: String
    /// The number of the file's tensors that are the network's.
    public var tensors: Int
    /// In the file, without a place in the network.
    public var unmatched: [String]
    /// In the network, not in the file; 0 now.
    public var missing: [String]
    /// The number of tensors of the file's other parts.
    public var others: Int
  }

  public var report: Report {
    Report(
      arch: spec.arch.rawValue, stem: spec.stemName, head: head.rawValue,
      heads: spec.arch.isTransformer ? heads ?? Architecture.defaultHeads : nil, images: spec.imageSummary,
      prefix: prefix,
      tensors: places.count,
      unmatched: unmatched, missing: filled, others: otherCount)
  }
}

// MARK: - Names

/// The names that the published code of MoCo v3 gives to its encoders.
private func moCoV3Name(_ role: EncoderRole) -> String {
  role == .query ? "base_encoder" : "momentum_encoder"
}

private func lastName(_ prefix: String) -> String { prefix.split(separator: ".").last.map(String.init) ?? "" }

extension HeadKind {
  /// Of a single linear layer only the encoder's name shows whether it is a classifier.
  fileprivate init(_ head: Head?, prefix: String) {
    let names = EncoderRole.allCases.flatMap { [$0.name, moCoV3Name($0)] }
    self =
      switch head {
      case nil: .missing
      case .linear where !names.contains(lastName(prefix)): .classifier
      default: .projection
      }
  }
}

extension ImportedEncoder {
  private var isOfMoCoV3: Bool { EncoderRole.allCases.map(moCoV3Name).contains(lastName(prefix)) }

  private static func quoted(_ prefix: String) -> String {
    prefix.isEmpty ? "one without a prefix" : "`\(prefix)`"
  }

  /// The prefix of the role's network.
  private static func prefix(in file: WeightsFile, _ role: EncoderRole) throws -> String {
    let names = Set(file.entries.map(\.name))
    let landmarks = EncoderMatch.landmarks.flatMap {
      [
        ($0.first, $0.block),
        (Detectron2Names.name(torchvision: $0.first), Detectron2Names.name(torchvision: $0.block)),
      ]
    }
    let found = file.entries.compactMap { entry -> String? in
      for (first, block) in landmarks where entry.name == first || entry.name.hasSuffix(".\(first)") {
        let prefix = String(entry.name.dropLast(first.count))
        if names.contains(prefix + block) { return prefix }
      }
      return nil
    }
    let keyNames = [EncoderRole.key.name, moCoV3Name(.key)]
    let fitting = found.filter { keyNames.contains(lastName($0)) == (role == .key) }
    func failure(_ what: String) -> InterchangeError {
      InterchangeError(path: file.path, problem: .noEncoder(what))
    }
    guard let first = fitting.first else {
      guard found.isEmpty else {
        throw failure(
          "it has no \(role.rawValue) encoder, only \(found.map(quoted).joined(separator: ", ")). Choose another "
            + "--encoder.")
      }
      let some = file.entries.prefix(3).map(\.name).joined(separator: ", ")
      throw failure(
        "no network that is known here is in it; its tensors are \(some)\(file.entries.count > 3 ? ", …" : ""). "
          + "Encoders need torchvision's, timm's or detectron2's names.")
    }
    guard fitting.count == 1 else {
      throw failure(
        "it has several networks: \(fitting.map(quoted).joined(separator: ", ")). Save only one's state_dict."
      )
    }
    return first
  }
}
