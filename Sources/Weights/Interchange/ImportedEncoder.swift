import Files
import Models
import Torch

/// Which of a contrastive method's two encoders.
public enum EncoderRole: String, Codable, Sendable, CaseIterable {
  /// f_q, which gradients train.
  case query
  /// f_k, which follows it.
  case key
}

/// An encoder found in a file of weights, whatever its names begin with: `state_dict.module.encoder_q.`,
/// `module.base_encoder.`, `model.`, nothing at all.
public struct ImportedEncoder {
  /// What follows the pooled features in the file.
  public enum Head: Equatable, Sendable {
    case none
    /// `fc` of a contrastive method; with a hidden layer as wide as the features or without.
    case projection(outputs: Int, isMLP: Bool)
    /// MoCo v3's projector: linear layers without bias, each followed by batch normalisation, the last one's without
    /// weight and bias. Two behind a residual network, three behind a transformer.
    case normalizedProjection(hidden: Int, outputs: Int)
    /// `fc` of a classifier.
    case classifier(outputs: Int)
  }

  public let layout: EncoderLayout
  public let head: Head
  /// Whether its names are those that MoCo v3's published code gives.
  public var isOfMoCoV3: Bool { ["base_encoder", "momentum_encoder"].contains(Self.lastName(prefix)) }
  /// What the encoder's names begin with in the file.
  public let prefix: String
  /// Tensors of the encoder that have no place in the network, by their names in the file.
  public let unmatched: [String]
  /// Counters of batch normalisation that the file lacks; they are 0 then.
  public let filled: [String]
  /// Tensors of the file's other parts: the other encoder, the queue, an optimizer.
  public let otherCount: Int
  /// torchvision's names and those in the file.
  private let places: [(name: String, source: String)]
  private let file: WeightsFile

  /// Looks for the encoder of a role. A file that has only one, without saying which, has the query encoder.
  /// - Throws: ``InterchangeError`` if there is none, if there are several, or if a tensor is missing or has
  ///   another shape.
  public init(in file: WeightsFile, role: EncoderRole = .query) throws {
    func failure(_ what: String) -> InterchangeError {
      InterchangeError(path: file.path, problem: .noEncoder(what))
    }
    self.file = file
    prefix = try Self.prefix(in: file, role)
    var sources: [String: WeightsFile.Entry] = [:]
    var own: [WeightsFile.Entry] = []
    for entry in file.entries where entry.name.hasPrefix(prefix) {
      own.append(entry)
      let name = Detectron2Names.torchvisionName(String(entry.name.dropFirst(prefix.count)))
      guard sources.updateValue(entry, forKey: name) == nil else {
        throw failure("two tensors stand for \(name). Save only one network's state_dict.")
      }
    }
    guard let layout = EncoderLayout(shapes: sources.mapValues(\.shape)) else {
      throw failure(
        "the tensors\(prefix.isEmpty ? "" : " under `\(prefix)`") are no residual network with torchvision's names "
          + "and no vision transformer with timm's.")
    }
    var (places, filled): ([(name: String, source: String)], [String]) = ([], [])
    head = Self.head(sources, layout, prefix: prefix)
    for (name, shape) in layout.tensors + Self.tensors(of: head, layout) {
      guard let source = sources[name] else {
        guard name.hasSuffix(ResNetLayout.counter) else {
          throw failure("\(prefix)\(name) is missing: the network is not whole.")
        }
        filled.append(name)
        continue
      }
      guard source.shape == shape else {
        throw failure("\(source.name) has the shape \(source.shape), not \(shape) as its neighbours need.")
      }
      places.append((name, source.name))
    }
    self.layout = layout
    self.places = places
    self.filled = filled
    let used = Set(places.map(\.source))
    unmatched = own.map(\.name).filter { !used.contains($0) }
    otherCount = file.entries.count - own.count
    // Whatever is done in a block and not here makes other features.
    let inBlocks = sources.filter { name, entry in
      !used.contains(entry.name) && name.prefixMatch(of: /(layer[0-9]+|blocks)\.[0-9]+\./) != nil
    }
    if let first = inBlocks.values.map(\.name).min() {
      throw failure(
        "it is another network than it seems: its blocks have \(inBlocks.count) tensor\(inBlocks.count == 1 ? "" : "s") "
          + "that no network known here has, such as \(first).")
    }
  }

  /// Reads its tensors by torchvision's names, the head's too.
  public func tensors() throws -> [(name: String, tensor: Tensor)] {
    try places.map { ($0.name, try file.tensor($0.source)) }
      + filled.map { name in (name, try withTorchErrors { Tensor.zeros([], dtype: .int64) }) }
  }
}

// MARK: - Names

extension ImportedEncoder {
  private static let keyNames: Set<Substring> = ["encoder_k", "momentum_encoder"]
  private static let projectionNames: Set<Substring> = [
    "encoder_q", "encoder_k", "base_encoder", "momentum_encoder",
  ]

  private static func lastName(_ prefix: String) -> Substring { prefix.split(separator: ".").last ?? "" }

  private static func said(_ prefix: String) -> String {
    prefix.isEmpty ? "one whose names begin with nothing" : "`\(prefix)`"
  }

  /// Two tensors, of the stem and of the first block, that tell a network, by torchvision's, detectron2's and timm's
  /// names.
  private static let landmarks = [
    ("conv1.weight", "layer1.0.conv1.weight"), ("stem.conv1.weight", "res2.0.conv1.weight"),
    ("cls_token", "blocks.0.norm1.weight"),
  ]

  /// Prefixes of whatever has a stem and a first block.
  private static func prefix(in file: WeightsFile, _ role: EncoderRole) throws -> String {
    let names = Set(file.entries.map(\.name))
    let found = file.entries.compactMap { entry -> String? in
      for (stem, block) in landmarks where entry.name == stem || entry.name.hasSuffix(".\(stem)") {
        let prefix = String(entry.name.dropLast(stem.count))
        if names.contains(prefix + block) { return prefix }
      }
      return nil
    }
    let fitting = found.filter { keyNames.contains(lastName($0)) == (role == .key) }
    guard let prefix = fitting.first else {
      let what =
        found.isEmpty
        ? "no network that is known here is in it; its tensors are \(file.entries.prefix(3).map(\.name).joined(separator: ", "))"
          + (file.entries.count > 3 ? ", …" : "")
          + ". Encoders need torchvision's, timm's or detectron2's names."
        : "it has no \(role.rawValue) encoder, only \(found.map(said).joined(separator: ", ")). Choose another --encoder."
      throw InterchangeError(path: file.path, problem: .noEncoder(what))
    }
    guard fitting.count == 1 else {
      throw InterchangeError(
        path: file.path,
        problem: .noEncoder(
          "it has several networks: \(fitting.map(said).joined(separator: ", ")). Save only one's state_dict."
        ))
    }
    return prefix
  }

  /// The head, if it is of a kind that is known here.
  private static func head(
    _ sources: [String: WeightsFile.Entry], _ layout: EncoderLayout, prefix: String
  ) -> Head {
    let name = layout.headName
    let found = Set(sources.keys.filter { $0.hasPrefix("\(name).") })
    let isProjection = projectionNames.contains(lastName(prefix))
    let hidden = sources["\(name).0.weight"]?.shape.first ?? 0
    var candidates: [(last: String, make: (Int) -> Head)] = [
      ("weight", { isProjection ? .projection(outputs: $0, isMLP: false) : .classifier(outputs: $0) }),
      ("2.weight", { .projection(outputs: $0, isMLP: true) }),
    ]
    if (1...65_536).contains(hidden) {
      let last = 3 * (layout.projectorLayers - 1)
      candidates.append(("\(last).weight", { .normalizedProjection(hidden: hidden, outputs: $0) }))
    }
    for (last, make) in candidates {
      guard let outputs = sources["\(name).\(last)"]?.shape.first, (1...65_536).contains(outputs) else {
        continue
      }
      let head = make(outputs)
      let wanted = tensors(of: head, layout)
      let counters = wanted.map(\.name).filter { $0.hasSuffix(ResNetLayout.counter) }  // old files lack them
      if found.union(counters) == Set(wanted.map(\.name)),
        wanted.allSatisfy({ sources[$0.name].map(\.shape) ?? [] == $0.shape })
      {
        return head
      }
    }
    return .none
  }

  private static func tensors(of head: Head, _ layout: EncoderLayout) -> [(name: String, shape: [Int])] {
    let (name, features) = (layout.headName, layout.featureSize)
    return switch head {
    case .none: []
    case .classifier(let outputs), .projection(let outputs, isMLP: false):
      [("\(name).weight", [outputs, features]), ("\(name).bias", [outputs])]
    case .projection(let outputs, isMLP: true):
      [
        ("\(name).0.weight", [features, features]), ("\(name).0.bias", [features]),
        ("\(name).2.weight", [outputs, features]), ("\(name).2.bias", [outputs]),
      ]
    case .normalizedProjection(let hidden, let outputs):
      (0..<layout.projectorLayers).flatMap { layer in
        let isLast = layer == layout.projectorLayers - 1
        let (linear, norm) = ("\(name).\(3 * layer)", "\(name).\(3 * layer + 1)")
        let width = isLast ? outputs : hidden
        let own = isLast ? [] : [("\(norm).weight", [width]), ("\(norm).bias", [width])]
        return [("\(linear).weight", [width, layer == 0 ? features : hidden])] + own + [
          ("\(norm).running_mean", [width]), ("\(norm).running_var", [width]),
          ("\(norm).\(ResNetLayout.counter)", []),
        ]
      }
    }
  }
}
