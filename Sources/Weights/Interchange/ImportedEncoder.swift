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
  /// The library the weights come from, as far as names show it.
  public let library: WeightsLibrary?
  /// The beginning of the names of the encoder's tensors in the file.
  public let prefix: String
  /// Tensors of the encoder that have no place in the network, by their names in the file.
  public let unmatched: [String]
  /// Counters of batch normalisation that the file lacks; they are 0 then.
  public let filled: [String]
  /// The number of tensors of the file's other parts: the other encoder, the queue, an optimizer.
  public let otherCount: Int
  /// Kinds of objects in the file that are no weights, by Python's names.
  public let leftUnread: [String]
  /// The encoder that goes with this one, as query and key, and the value of `--encoder` that imports it.
  public let partner: (prefix: String, word: String)?
  /// A sentence without its full stop where another network has the very same tensors, and the file does not say which it
  /// is.
  public let lookAlike: String?
  /// A sentence's end where the first convolution was made to read three channels.
  public let channelNote: String?
  private let places: [Place]
  private let stem: StemAdaptation?
  private let file: WeightsFile

  /// A tensor of the network, and those of the file, one for each part.
  private struct Place {
    let tensor: TensorSpec
    let sources: [WeightsFile.Entry]

    var name: String { tensor.name }
    /// The type it is written in.
    var dtype: DType { sources[0].dtype ?? .float32 }
  }

  /// Finds an encoder. If a file has one network only, that is it.
  /// - Parameters:
  ///   - role: query stands for student, online and trained weights, key for teacher, target and moving averages; nil
  ///     takes the query where there are both.
  ///   - wanted: the beginning of its tensors' names, where a file has several networks.
  ///   - channels: what becomes of a first convolution that does not read three channels; nil refuses it.
  /// - Throws: ``InterchangeError`` if there is none, if there are several, or if a tensor is missing or has
  ///   another shape.
  public init(
    in file: WeightsFile, role: EncoderRole? = nil, prefix wanted: String? = nil,
    channels: StemChannels? = nil
  ) throws {
    let choice = NetworkChoice(file)
    let network = try choice.network(role, prefix: wanted)
    let tensors = NetworkTensors(network, in: file)
    func failure(_ what: String) -> InterchangeError {
      InterchangeError(path: file.path, problem: .noEncoder(what))
    }
    func source(_ name: String) -> String { tensors.sources[name]?.first?.name ?? name }
    if let name = tensors.duplicate {
      throw failure("two tensors stand for \(name). Save only one network's state_dict.")
    }
    var shapes = tensors.shapes
    stem = try StemAdaptation(&shapes, rule: channels, source: source, path: file.path)
    let match = try Self.match(shapes, tensors, network, failure)
    spec = match.spec
    library = WeightsLibrary(
      of: network, in: file, among: choice.networks, arch: match.spec.arch, head: match.spec.head)
    let isStated = spec.takeStatement(file.texts[EncoderSpec.exportKey])
    if !isStated, let library { spec.takeDefaults(of: library) }
    head = HeadKind(match.spec.head, prefix: network.prefix)
    prefix = network.prefix
    self.file = file
    places = match.tensors.compactMap { tensor in
      tensors.sources[tensor.name].map { Place(tensor: tensor, sources: $0) }
    }
    // What cannot be read fails with its reason here, not while the file is written.
    for entry in places.flatMap(\.sources) where entry.dtype == nil { _ = try file.tensor(entry.name) }
    filled = match.tensors.map(\.name).filter { tensors.sources[$0] == nil }
    let used = Set(places.flatMap { $0.sources.map(\.name) })
    unmatched = tensors.own.map(\.name).filter { !used.contains($0) }
    otherCount = file.entries.count - used.count - unmatched.count
    leftUnread = file.leftUnread
    partner = EncoderPair.partner(of: network.prefix, among: choice.networks.map(\.prefix)).map {
      other, pair in
      (other, EncoderPair.isFollower(other) ? pair.word : pair.word == "key" ? "query" : "student")
    }
    let alike = LookAlike(match.spec.arch)
    if let stated = file.texts["arch"], alike?.others.contains(stated) == true {
      throw failure(
        "it says that it is a \(stated), which has the tensors of a \(match.spec.arch.rawValue) and computes other features."
      )
    }
    lookAlike = isStated ? nil : alike?.note(stated: file.texts["arch"], library: library)
    channelNote = stem.map { "\(source($0.name)): \($0.rule.words(from: $0.channels))" }
  }

  /// The network that the tensors are, whole.
  private static func match(
    _ shapes: [String: [Int]], _ tensors: NetworkTensors, _ network: FoundNetwork,
    _ failure: (String) -> InterchangeError
  ) throws -> EncoderMatch {
    let prefix = network.prefix
    guard let match = EncoderMatch(shapes: shapes), match.isClose else {
      throw failure(
        "the tensors\(prefix.isEmpty ? "" : " under `\(prefix)`") are of no network that is known here: "
          + "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    if let first = match.missing.first {
      let part = tensors.incomplete.contains(first.name) ? "a part of " : ""
      throw failure("\(part)\(prefix)\(first.name) is missing: the network is not whole.")
    }
    if let first = match.misshapen.first, let sources = tensors.sources[first.name] {
      let found =
        sources.count == 1 ? "the shape \(sources[0].shape)" : "parts of the shapes \(sources.map(\.shape))"
      throw failure("\(sources[0].name) has \(found), not \(first.shape) as its neighbours need.")
    }
    // Layers that are not in the network compute other features, and so do more tokens.
    let more = ["reg_token", "register_tokens", "dist_token", "distillation_token", "norm_pre", "fc_norm"]
    let used = Set(match.tensors.flatMap { tensors.sources[$0.name] ?? [] }.map(\.name))
    let tokens = tensors.own.map(\.name).filter { name in
      !used.contains(name) && more.contains { name.parts.contains(Substring($0)) }
        && match.spec.arch.isTransformer
    }
    let foreign = Set(match.foreign.compactMap { tensors.sources[$0]?.first?.name } + tokens).sorted()
    if let first = foreign.first {
      throw failure(
        "it is another network than it seems: its blocks have \(foreign.count) tensor\(foreign.count == 1 ? "" : "s") "
          + "that no network known here has, such as \(first).")
    }
    return match
  }

  /// The number of the file's tensors that are the network's.
  var tensorCount: Int { places.reduce(0) { $0 + $1.sources.count } }

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
    guard let theirs = spec.arch.headsInTimm, heads == nil, library != .mocoV3 else { return nil }
    return
      "\(spec.arch.rawValue) is read with \(Architecture.defaultHeads) heads, as MoCo v3's has: their number cannot "
      + "be read from the weights, and timm's own has \(theirs)"
  }
}

// MARK: - Reading

extension ImportedEncoder {
  /// Reads the tensors by the network's names, the head's too.
  public func tensors() throws -> [(name: String, tensor: Tensor)] {
    try places.map { ($0.name, try tensor($0)) }
      + filled.map { name in (name, try withTorchErrors { Tensor.zeros([], dtype: .int64) }) }
  }

  private func tensor(_ place: Place) throws -> Tensor {
    let parts = try place.sources.map { try file.tensor($0.name) }
    return try withTorchErrors {
      let whole = parts.count == 1 ? parts[0] : Tensor.concatenated(parts.map { $0.to(place.dtype) })
      guard let stem, stem.name == place.name else { return whole }
      return stem.rule.adapt(whole)
    }
  }

  /// Writes it as a checkpoint of weights, which every command takes.
  /// - Parameter refusesNonFinite: whether weights that are NaN or infinite are an error.
  /// - Returns: the tensors that have such values, by their names in the file.
  /// - Throws: as ``tensors()``, and `FileError`.
  @discardableResult
  public func write(to path: String, refusesNonFinite: Bool = false) throws -> [String] {
    var nonFinite: [String] = []
    var parts = places.map { place in
      Safetensors.Part(
        name: EncoderRole.query.prefix + place.name, dtype: place.dtype, shape: place.tensor.shape
      ) {
        let isFinite = try write(place, with: $0)
        guard !isFinite else { return }
        let name = place.sources[0].name
        guard !refusesNonFinite else {
          throw InterchangeError(
            path: file.path,
            problem: .noEncoder("\(name) has values that are NaN or infinite. Nothing was written."))
        }
        nonFinite.append(name)
      }
    }
    parts += filled.map { name in
      Safetensors.Part(name: EncoderRole.query.prefix + name, dtype: .int64, shape: []) {
        try $0.write([UInt8](repeating: 0, count: 8))
      }
    }
    try Safetensors.write(
      parts, metadata: try spec.metadata(head: head, source: "\(file.path.lastPathPart), \(prefix)*"),
      to: path)
    return nonFinite
  }

  /// Writes a tensor's bytes; false where values of it are NaN or infinite.
  private func write(_ place: Place, with writer: FileWriter) throws -> Bool {
    var scan = FiniteScan(place.dtype)
    func pass(_ bytes: UnsafeRawBufferPointer) throws {
      scan.scan(bytes)
      try writer.write(bytes)
    }
    if place.name == stem?.name || place.sources.contains(where: { $0.dtype != place.dtype }) {
      try tensor(place).withUnsafeBytes(pass)
    } else {
      for source in place.sources { try file.forEachBlock(of: source.name, pass) }
    }
    return scan.isFinite
  }
}
