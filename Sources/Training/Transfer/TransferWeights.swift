import Files
import Models
import Torch
import Weights

/// The tensors that a detector or a segmenter starts from, matched by name.
///
/// An encoder's `layer1.0.conv1.weight` is the backbone's tensor of that name; in a C4 detector the encoder's `layer4` is
/// the box head's `res5`. What else the network has stays as it is drawn.
struct TransferWeights {
  /// A tensor of the network, the tensor of the file that it becomes.
  struct Match {
    let name: String
    let source: String
    let tensor: Tensor
  }

  let matches: [Match]
  /// Names of the file's tensors that have no place in the network; sorted.
  let unused: [String]
  /// Names of the network's tensors that stay as they are drawn, in its order.
  let fresh: [String]
  private let path: String
  /// "detector".
  private let noun: String
  /// What else there is to say about the file: sentences without a full stop.
  private var remarks: [String] = []

  /// - Parameters:
  ///   - weights: An encoder, or a whole network of this kind; a detector also by detectron2's names.
  ///   - spec: The network.
  ///   - state: Its tensors.
  /// - Throws: `UsageError` where a tensor of the backbone has no match.
  init<Spec: TransferSpec>(_ weights: InitialWeights, _ spec: Spec, state: [Module.Entry]) throws {
    if let found = try spec.whole(in: weights, names: state.map(\.name)) {
      try self.init(whole: found.tensors, noun: Spec.noun, state: state, path: weights.path)
      remarks = found.notes
    } else {
      let (own, tensors) = try weights.backbone()
      guard own.arch == spec.arch else {
        throw UsageError(
          "\(weights.path): it holds a \(own.arch.rawValue), and the \(Spec.noun) has a \(spec.arch.rawValue). Give "
            + "--arch \(own.arch.rawValue), or other weights.")
      }
      try self.init(encoder: tensors, spec, state: state, path: weights.path)
    }
  }

  /// Copies the tensors into the network's.
  func copy(into state: [Module.Entry]) {
    let own = Dictionary(uniqueKeysWithValues: state.map { ($0.name, $0.tensor) })
    withNoGrad { for match in matches { own[match.name]?.copy(from: match.tensor) } }
  }

  // MARK: - Matching

  init<Spec: TransferSpec>(
    encoder tensors: [String: Tensor], _ spec: Spec, state: [Module.Entry], path: String
  ) throws {
    let wanted = spec.encoder.tensors
    let names = Set(wanted.map(\.name))
    var (matches, fresh, missing): ([Match], [String], [String]) = ([], [], [])
    for entry in state {
      guard let name = Self.encoderName(of: entry.name), names.contains(name) else {
        fresh.append(entry.name)
        continue
      }
      guard let source = tensors[name] else {
        if entry.tensor.dtype.isFloatingPoint { missing.append(name) } else { fresh.append(entry.name) }
        continue
      }
      guard let fitted = Self.fitted(source, to: entry.tensor.shape, name) else {
        missing.append("\(name) (\(Self.text(source.shape)) there, \(Self.text(entry.tensor.shape)) here)")
        continue
      }
      matches.append(Match(name: entry.name, source: name, tensor: fitted))
    }
    guard missing.isEmpty else {
      throw Self.unmatched(
        missing, of: matches.count + missing.count, arch: spec.arch, noun: Spec.noun, path: path)
    }
    let taken = Set(matches.map(\.source))
    self.init(
      matches: matches, unused: tensors.keys.filter { !taken.contains($0) }.sorted(), fresh: fresh,
      noun: Spec.noun, path: path)
  }

  private init(whole tensors: [String: Tensor], noun: String, state: [Module.Entry], path: String) throws {
    var (matches, fresh, missing): ([Match], [String], [String]) = ([], [], [])
    for entry in state {
      if let source = tensors[entry.name], source.shape == entry.tensor.shape {
        matches.append(Match(name: entry.name, source: entry.name, tensor: source))
      } else if Self.isOfBackbone(entry.name), entry.tensor.dtype.isFloatingPoint {
        missing.append(entry.name)
      } else {
        fresh.append(entry.name)  // heads of other classes
      }
    }
    guard missing.isEmpty else {
      throw Self.unmatched(
        missing, of: state.count { Self.isOfBackbone($0.name) }, arch: nil, noun: noun, path: path)
    }
    let taken = Set(matches.map(\.source))
    self.init(
      matches: matches, unused: tensors.keys.filter { !taken.contains($0) }.sorted(), fresh: fresh,
      noun: noun, path: path)
  }

  private init(matches: [Match], unused: [String], fresh: [String], noun: String, path: String) {
    (self.matches, self.unused, self.fresh) = (matches, unused, fresh)
    (self.noun, self.path) = (noun, path)
  }

  /// The encoder's name of a network's tensor, if it has one.
  static func encoderName(of name: String) -> String? {
    for (prefix, replacement) in [
      ("roi_heads.res5.", "layer4."), ("backbone.bottom_up.", ""), ("backbone.body.", ""), ("backbone.", ""),
    ] where name.hasPrefix(prefix) {
      return replacement + name.dropFirst(prefix.count)
    }
    return nil
  }

  /// Whether pre-training gives the tensor. In a C4 detector conv5 is in the box head; the normalisation behind it is the
  /// detector's own.
  private static func isOfBackbone(_ name: String) -> Bool {
    let (conv5, norm) = ("roi_heads.res5.", "roi_heads.res5.norm.")
    return name.hasPrefix("backbone.") || (name.hasPrefix(conv5) && !name.hasPrefix(norm))
  }

  /// A tensor in the shape that is wanted: a transformer's positions are interpolated.
  private static func fitted(_ source: Tensor, to shape: [Int], _ name: String) -> Tensor? {
    if source.shape == shape { return source }
    return VisionTransformer.sides(of: name, from: source.shape, to: shape).map {
      VisionTransformer.resized(positions: source, to: $0.to)
    }
  }

  // MARK: - Texts

  private static func unmatched(
    _ missing: [String], of all: Int, arch: Architecture?, noun: String, path: String
  ) -> UsageError {
    UsageError(
      "\(path): \(missing.count) of the backbone's \(all) tensors have no match there: \(list(missing)). The \(noun) "
        + "would learn from random numbers. Give weights of \(arch.map { "a \($0.rawValue)" } ?? "the same backbone"), or "
        + "--init random.")
  }

  private static func text(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "×") }

  private static func list(_ names: [String], limit: Int = 6) -> String {
    names.prefix(limit).joined(separator: ", ") + (names.count > limit ? " … (\(names.count))" : "")
  }

  /// Sentences without a full stop: how many tensors matched, and which did not.
  var notes: [String] {
    let backbone = matches.filter { Self.encoderName(of: $0.name) != nil }
    var notes = [
      "\(matches.count) of the \(noun)'s \(matches.count + fresh.count) tensors matched in \(path), "
        + "\(backbone.count) of them in the backbone: \(span(matches.map(\.source)))"
    ]
    if !unused.isEmpty { notes.append("not taken from there: \(Self.list(unused))") }
    if !fresh.isEmpty { notes.append("drawn at random: \(groups(fresh))") }
    return notes + remarks
  }

  private func span(_ names: [String]) -> String {
    guard let first = names.first, let last = names.last else { return "none" }
    return first == last ? first : "\(first) … \(last)"
  }

  /// `roi_heads.box_predictor (4), …`
  private func groups(_ names: [String]) -> String {
    var counts: [(name: String, count: Int)] = []
    for name in names {
      let group = name.split(separator: ".").prefix(2).joined(separator: ".")
      if let place = counts.firstIndex(where: { $0.name == group }) {
        counts[place].count += 1
      } else {
        counts.append((group, 1))
      }
    }
    return counts.map { "\($0.name) (\($0.count))" }.joined(separator: ", ")
  }

  /// A line for each tensor, for a file: the network's name, and the file's name or "drawn".
  var lines: [String] {
    matches.map { "\($0.name) = \($0.source)" } + fresh.map { "\($0) drawn" }
      + unused.map { "\($0) not taken" }
  }
}
