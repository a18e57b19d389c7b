import Files
import Models

/// A network in a file of weights.
struct FoundNetwork {
  /// The beginning of the names of its tensors.
  let prefix: String
  let names: any NetworkNames
  /// Its first tensor.
  let first: String

  var quoted: String { prefix.isEmpty ? "one without a prefix" : "`\(prefix)`" }
}

extension WeightsFile {
  /// The networks whose names are known, in the file's order.
  func networks() -> [FoundNetwork] {
    let names = Set(entries.map(\.name))
    var found: [FoundNetwork] = []
    for family in KnownNames.all {
      for landmark in family.landmarks {
        for entry in entries where entry.name == landmark.first || entry.name.hasSuffix(".\(landmark.first)")
        {
          let prefix = String(entry.name.dropLast(landmark.first.count))
          if names.contains(prefix + landmark.block), !found.contains(where: { $0.prefix == prefix }) {
            found.append(FoundNetwork(prefix: prefix, names: family, first: entry.name))
          }
        }
      }
    }
    let order = Dictionary(entries.enumerated().map { ($1.name, $0) }, uniquingKeysWith: min)
    return found.sorted { order[$0.first, default: 0] < order[$1.first, default: 0] }
  }
}

/// The choice of one network of a file.
struct NetworkChoice {
  let file: WeightsFile
  let networks: [FoundNetwork]

  init(_ file: WeightsFile) { (self.file, networks) = (file, file.networks()) }

  private func failure(_ what: String) -> InterchangeError {
    InterchangeError(path: file.path, problem: .noEncoder(what))
  }

  /// - Parameters:
  ///   - role: nil takes the query encoder, or a network that is the only one.
  ///   - prefix: the beginning of its names, or of that of the only one that begins so.
  func network(_ role: EncoderRole?, prefix: String?) throws -> FoundNetwork {
    guard !networks.isEmpty else { throw failure(WeightsContents(file).reason) }
    if let prefix { return try network(prefix: prefix) }
    let fitting = networks.filter { EncoderPair.isFollower($0.prefix) == (role == .key) }
    if fitting.isEmpty, role == nil, networks.count == 1 { return networks[0] }
    guard !fitting.isEmpty else {
      throw InterchangeError(
        path: file.path,
        problem: .noSuchRole(
          "it has no \((role ?? .query).rawValue) encoder, only "
            + "\(networks.map(\.quoted).joined(separator: ", "))."))
    }
    return try only(of: fitting)
  }

  private func network(prefix: String) throws -> FoundNetwork {
    let whole = prefix.isEmpty || prefix.hasSuffix(".") ? prefix : prefix + "."
    if let exact = networks.first(where: { $0.prefix == whole }) { return exact }
    let below = networks.filter { $0.prefix.hasPrefix(whole) }
    guard !below.isEmpty else {
      let longer = networks.first { $0.prefix.hasSuffix("." + whole) }?.prefix
      throw failure(
        "no network's names begin with `\(whole)`. It has \(list(networks)). "
          + (longer.map { "Write the whole beginning, as --prefix \($0)" } ?? "Choose one with --prefix."))
    }
    return try only(of: below)
  }

  /// Of several, names of the same tensors count once, and one that another follows comes before those without a pair.
  private func only(of fitting: [FoundNetwork]) throws -> FoundNetwork {
    guard fitting.count > 1 else { return fitting[0] }
    var distinct: [FoundNetwork] = []
    for network in fitting where !distinct.contains(where: { file.isShared($0.first, network.first) }) {
      distinct.append(network)
    }
    let others = networks.map(\.prefix)
    let paired = distinct.filter { network in
      EncoderPair.partner(of: network.prefix, among: others)
        .flatMap { EncoderPair.partner(of: $0.prefix, among: others)?.prefix } == network.prefix
    }
    if let only = paired.count == 1 ? paired.first : distinct.count == 1 ? distinct.first : nil {
      return only
    }
    throw InterchangeError(
      path: file.path,
      problem: .severalNetworks(
        list: list(distinct), example: distinct.first { !$0.prefix.isEmpty }?.prefix ?? ""))
  }

  /// Each with its architecture and size.
  private func list(_ networks: [FoundNetwork]) -> String {
    networks.map { network in
      let tensors = NetworkTensors(network, in: file)
      guard let match = EncoderMatch(shapes: tensors.shapes), match.isClose else {
        return "\(network.quoted) (unknown)"
      }
      let parameters = match.tensors.filter(\.isParameter).reduce(0) { $0 + $1.shape.reduce(1, *) }
      return "\(network.quoted) (\(match.spec.arch.rawValue), \(match.tensors.count) tensors, "
        + "\(short(Double(parameters))) parameters)"
    }.joined(separator: ", ")
  }
}

extension TensorSpec {
  /// Whether it is trained: neither a counter nor a statistic.
  fileprivate var isParameter: Bool {
    !isCounter && !name.hasSuffix(".running_mean") && !name.hasSuffix(".running_var")
  }
}

/// The contents of a file without an encoder, as text.
struct WeightsContents {
  let reason: String

  init(_ file: WeightsFile) {
    let names = file.entries.map(\.name)
    let optimizer = ["exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg", "step", "max_exp_avg_sq"]
    let save = "Save the network's state_dict with torch.save."
    if names.isEmpty {
      let objects = file.leftUnread.prefix(3).joined(separator: ", ")
      reason =
        "it holds no tensors" + (objects.isEmpty ? ". " : ", only objects that are not read: \(objects). ")
        + save
    } else if names == [""] {
      reason = "it holds one tensor of the shape \(file.entries[0].shape), without a name. \(save)"
    } else if names.allSatisfy({ $0.allSatisfy { $0.isNumber || $0 == "." } }) {
      reason = "it holds a list of \(names.count) tensors, without names. \(save)"
    } else if names.allSatisfy({ name in optimizer.contains { name.hasSuffix(".\($0)") } }) {
      reason = "it holds the state of an optimizer and no network. \(save)"
    } else {
      reason =
        "no network that is known here is in it; its tensors are \(names.prefix(3).joined(separator: ", "))"
        + (names.count > 3 ? ", …" : "") + ". Read are \(KnownNames.inWords)."
    }
  }
}
