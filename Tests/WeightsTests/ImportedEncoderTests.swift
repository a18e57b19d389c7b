import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

@Suite struct ImportedEncoderTests {
  static let spec = EncoderSpec(arch: .resnet8, stem: .cifar, imageSize: 32, normalization: .cifar)
  static let layers = spec.tensors.map { (name: $0.name, shape: $0.shape) }

  /// Tensors by name, each filled with a number of its own, from `first` on.
  static func network(
    _ prefix: String, head: [(name: String, shape: [Int])] = [], first: Double = 0
  ) -> [(name: String, tensor: Tensor)] {
    (layers + head).enumerated().map { index, entry in
      ("\(prefix)\(entry.name)", .full(first + Double(index), entry.shape))
    }
  }

  static let linear = [("fc.weight", [5, 64]), ("fc.bias", [5])]
  static let mlp = [
    ("fc.0.weight", [64, 64]), ("fc.0.bias", [64]), ("fc.2.weight", [5, 64]), ("fc.2.bias", [5]),
  ]

  func prefix(in file: WeightsFile, role: EncoderRole? = nil) throws -> String {
    try ImportedEncoder(in: file, role: role).prefix
  }

  func lookAlike(at path: String) throws -> String? {
    try ImportedEncoder(in: WeightsFile(path)).lookAlike
  }

  func withWeights(
    _ tensors: [(name: String, tensor: Tensor)], _ body: (WeightsFile) throws -> Void
  ) throws {
    try withFolder { folder in
      let path = joined(folder, "x.pth")
      try ExportFormat.torchvision.write(tensors, to: path)
      try body(WeightsFile(path))
    }
  }

  @Test(arguments: [
    "", "module.", "backbone.", "model.", "state_dict.", "state_dict.module.encoder_q.",
    "module.base_encoder.",
    "base_encoder.", "encoder_q.",
  ])
  func namesMayBeginWithAnything(_ prefix: String) throws {
    try withWeights(Self.network(prefix) + [("queue", .zeros([2]))]) { file in
      let found = try ImportedEncoder(in: file)
      #expect(found.prefix == prefix && found.spec == Self.spec && found.head == .missing)
      #expect(found.unmatched == (prefix.isEmpty ? ["queue"] : []))
      #expect(found.otherCount == (prefix.isEmpty ? 0 : 1) && found.filled.isEmpty)
      let tensors = try found.tensors()
      #expect(tensors.map(\.name) == Self.layers.map(\.name))
      for (index, (name, tensor)) in tensors.enumerated() {
        #expect(tensor.array(of: Double.self).allSatisfy { $0 == Double(index) }, "\(name)")
      }
    }
  }

  @Test(arguments: [("module.encoder_q.", "module.encoder_k."), ("base_encoder.", "momentum_encoder.")])
  func queryAndKeyAreDistinguished(_ query: String, _ key: String) throws {
    try withWeights(Self.network(query, head: Self.mlp) + Self.network(key, head: Self.mlp, first: 100)) {
      file in
      for (role, prefix, first) in [(EncoderRole.query, query, 0), (.key, key, 100)] {
        let found = try ImportedEncoder(in: file, role: role)
        #expect(found.prefix == prefix && found.head == .projection && found.spec.head == .mlp(outputs: 5))
        #expect(found.otherCount == Self.layers.count + 4)
        #expect(try found.tensors().first?.tensor.array(of: Float.self).first == Float(first))
      }
    }
    try withWeights(Self.network(query)) { file in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file, role: .key) }
      #expect(
        error.description
          == "\(file.path): it has no key encoder, only `\(query)`. Choose another --encoder.")
    }
  }

  /// The layout of the published DenseCL: backbone and neck in a row.
  @Test func theHeadBesideABackboneIsImportedWithIt() throws {
    let mlp = Self.mlp.map { (name: "1.mlp." + $0.0.dropFirst(3), tensor: Tensor.full(-1, $0.1)) }
    let dense = [("1.mlp2.0.weight", [64, 64, 1, 1]), ("1.mlp2.2.weight", [5, 64, 1, 1])]
      .map { (name: $0.0, tensor: Tensor.full(-2, $0.1)) }
    func encoder(_ name: String, first: Double) -> [(name: String, tensor: Tensor)] {
      Self.network("\(name).0.", first: first) + (mlp + dense).map { ("\(name).\($0.name)", $0.tensor) }
    }
    let all = encoder("encoder_q", first: 0) + encoder("encoder_k", first: 100) + [("queue", .zeros([2]))]
    try withWeights(all) { file in
      for (role, first) in [(EncoderRole.query, 0.0), (.key, 100)] {
        let found = try ImportedEncoder(in: file, role: role)
        #expect(found.prefix == "\(role.name).0." && found.head == .projection)
        #expect(found.spec.head == .mlp(outputs: 5) && found.unmatched.isEmpty)
        let tensors = Dictionary(uniqueKeysWithValues: try found.tensors().map { ($0.name, $0.tensor) })
        #expect(tensors["conv1.weight"]?.array(of: Double.self).first == first)
        #expect(tensors["fc.0.weight"]?.array(of: Double.self).first == -1)
      }
    }
  }

  @Test func headsOfMoCoAndClassifiersAreKeptApart() throws {
    let cases: [(String, [(String, [Int])], Head?, HeadKind, Int)] = [
      ("", Self.linear, .linear(outputs: 5), .classifier, 0),
      ("module.encoder_q.", Self.linear, .linear(outputs: 5), .projection, 0),
      ("module.encoder_q.", Self.mlp, .mlp(outputs: 5), .projection, 0),
      // One layer too many.
      ("module.base_encoder.", Self.mlp + [("fc.3.weight", [5, 5])], nil, .missing, 5),
      // A hidden layer of another width.
      (
        "encoder_q.",
        [("fc.0.weight", [4, 64]), ("fc.0.bias", [4]), ("fc.2.weight", [5, 4]), ("fc.2.bias", [5])], nil,
        .missing, 4
      ),
    ]
    for (prefix, fc, head, kind, unmatched) in cases {
      try withWeights(Self.network(prefix, head: fc.map { (name: $0.0, shape: $0.1) })) { file in
        let found = try ImportedEncoder(in: file)
        #expect(
          found.spec.head == head && found.head == kind && found.unmatched.count == unmatched,
          "\(prefix) \(kind)")
      }
    }
  }

  /// By the published names: `fc` of a residual network has two layers, `head` of a transformer three, and the last
  /// normalisation has neither weight nor bias.
  @Test(arguments: [("fc", 2), ("head", 3)])
  func theProjectorOfMoCoV3IsFoundWhole(name: String, layers: Int) throws {
    let own = layers == 2 ? Self.layers : Self.transformer(hasStem: false)
    let features = layers == 2 ? 64 : 384
    var projector: [(name: String, shape: [Int])] = []
    for layer in 0..<layers {
      let (inputs, outputs) = (layer == 0 ? features : 6, layer == layers - 1 ? 5 : 6)
      projector.append(("\(name).\(3 * layer).weight", [outputs, inputs]))
      for part in layer == layers - 1
        ? ["running_mean", "running_var"] : ["weight", "bias", "running_mean", "running_var"]
      {
        projector.append(("\(name).\(3 * layer + 1).\(part)", [outputs]))
      }
      projector.append(("\(name).\(3 * layer + 1).num_batches_tracked", []))
    }
    func tensors(_ shapes: [(name: String, shape: [Int])]) -> [(name: String, tensor: Tensor)] {
      (own + shapes).enumerated().map {
        ("module.base_encoder.\($1.name)", .full(Double($0), $1.shape, dtype: .uint8))
      }
        + [("module.predictor.0.weight", .zeros([6, 5]))]
    }
    let head = Head.normalizedMLP(layers: layers, hidden: 6, outputs: 5, endsNormalized: true)
    try withWeights(tensors(projector)) { file in
      let found = try ImportedEncoder(in: file)
      #expect(found.spec.head == head && found.head == .projection)
      #expect(found.unmatched.isEmpty && found.filled.isEmpty && found.otherCount == 1)
      let read = try found.tensors()
      #expect(read.map(\.name) == (own + projector).map(\.name))
      for (index, (_, tensor)) in read.enumerated() {
        #expect(tensor.array(of: Double.self).allSatisfy { $0 == Double(index) })
      }
    }
    try withWeights(tensors(projector.filter { !$0.name.hasSuffix("num_batches_tracked") })) { file in
      let found = try ImportedEncoder(in: file)
      #expect(found.spec.head == head && found.filled.count == layers)
    }
    // Without its first layer, or with a bias, it is another head.
    for other in [
      projector.filter { !$0.name.hasPrefix("\(name).0.") }, projector + [("\(name).0.bias", [6])],
    ] {
      try withWeights(tensors(other)) { file in
        let found = try ImportedEncoder(in: file)
        #expect(found.spec.head == nil && found.head == .missing)
      }
    }
  }

  @Test func countersOfOldFilesAreFilled() throws {
    let old = Self.network("").filter { !$0.name.hasSuffix("num_batches_tracked") }
    try withWeights(old) { file in
      let found = try ImportedEncoder(in: file)
      #expect(found.filled.count == 9)  // the stem, two in each of three blocks, two shortcuts
      let counter = try #require(try found.tensors().first { $0.name == "bn1.num_batches_tracked" })
      #expect(counter.tensor.dtype == .int64 && counter.tensor.array() == [0])
    }
  }

  /// Squeeze-and-excitation and the like: the same names and more.
  @Test(arguments: ["layer1.0.se.fc1.weight", "m.layer2.0.se.fc1.weight"])
  func moreInABlockIsAnotherNetwork(name: String) throws {
    let prefix = name.hasPrefix("m.") ? "m." : ""
    try withWeights(Self.network(prefix) + [(name, .zeros([2]))]) { file in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file) }
      #expect(
        error.description
          == "\(file.path): it is another network than it seems: its blocks have 1 tensor that no network known here "
          + "has, such as \(name).")
    }
  }

  /// The sizes are counted by hand: 78073 numbers without a head, of which 672 are statistics and 9 counters.
  @Test func oneOfSeveralNetworksIsChosenByItsPrefix() throws {
    try withWeights(Self.network("a.", head: Self.linear) + Self.network("b.x.", first: 100)) { file in
      let several = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file) }
      let list =
        "`a.` (resnet8, 56 tensors, 77.7 k parameters), `b.x.` (resnet8, 54 tensors, 77.4 k parameters)"
      #expect(
        several.description == "\(file.path): it has several networks: \(list). Choose one with --prefix.")
      let none = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file, prefix: "c") }
      #expect(
        none.description
          == "\(file.path): no network's names begin with `c.`. It has \(list). Choose one with --prefix.")
      let end = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file, prefix: "x") }
      #expect(
        end.description
          == "\(file.path): no network's names begin with `x.`. It has \(list). Write the whole beginning, as --prefix "
          + "b.x.")
      for prefix in ["b", "b.", "b.x", "b.x."] {
        let found = try ImportedEncoder(in: file, prefix: prefix)
        #expect(found.prefix == "b.x.")
        #expect(try found.tensors()[0].tensor.array(of: Float.self).first == 100)
      }
    }
  }

  /// Names of the same tensors, as of a part that two modules hold, are one network.
  @Test func aSharedNetworkCountsOnce() throws {
    let network = Self.layers.map { (name: "a.\($0.name)", shape: $0.shape, storage: 0) }
    let names = network.map { (name: "b.\($0.name.dropFirst(2))", shape: $0.shape, storage: 0) }
    try withFile(Pickle.file(network + names)) { path in
      let found = try prefix(in: WeightsFile(path))
      #expect(found == "a.")
    }
  }

  /// Only a follower, or several leaders of which one is followed.
  @Test func theFollowedNetworkIsTaken() throws {
    try withWeights(Self.network("model_ema.")) { file in
      let found = (try prefix(in: file), try prefix(in: file, role: .key))
      #expect(found.0 == "model_ema." && found.1 == "model_ema.")
    }
    try withWeights(Self.network("net.") + Self.network("online_net.") + Self.network("target_net.")) {
      file in
      let found = (try prefix(in: file), try prefix(in: file, role: .key))
      #expect(found.0 == "online_net." && found.1 == "target_net.")
    }
  }

  // MARK: Channels

  /// A first convolution of 16×channels×3×3 with the values 0, 1, 2, …
  func withStem(channels: Int, _ body: (WeightsFile) throws -> Void) throws {
    let stem = Tensor((0..<16 * channels * 9).map(Float.init), shape: [16, channels, 3, 3])
    try withWeights(Self.network("m.").map { $0.name == "m.conv1.weight" ? ($0.name, stem) : $0 }, body)
  }

  @Test func aStemOfOtherChannelsNeedsARule() throws {
    try withStem(channels: 1) { file in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file) }
      #expect(
        error.description
          == "\(file.path): m.conv1.weight reads 1 channel, and images here have 3. Spread it over the three with "
          + "--channels sum.")
      let first = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file, channels: .first) }
      #expect(
        first.description
          == "\(file.path): m.conv1.weight reads 1 channel, and images here have 3. There are no three to keep: use "
          + "--channels sum.")
    }
    try withStem(channels: 4) { file in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file) }
      #expect(
        error.description
          == "\(file.path): m.conv1.weight reads 4 channels, and images here have 3. Keep the first three, as red, green "
          + "and blue, with --channels first, or spread their sum over the three with --channels sum.")
    }
  }

  /// sum: equal channels give what they gave; first: a fourth channel of 0 gives what it gave.
  @Test(arguments: [(1, StemChannels.sum), (2, .sum), (4, .sum), (4, .first), (13, .first)])
  func channelsAreSpreadOrDropped(channels: Int, rule: StemChannels) throws {
    try withStem(channels: channels) { file in
      let found = try ImportedEncoder(in: file, channels: rule)
      #expect(found.channelNote?.hasPrefix("m.conv1.weight: ") == true)
      let theirs = try file.tensor("m.conv1.weight").array(of: Float.self)
      for read in [try found.tensors()[0].tensor, try Self.written(found, "conv1.weight")] {
        #expect(read.shape == [16, 3, 3, 3])
        let ours = read.array(of: Float.self)
        for output in 0..<16 {
          for place in 0..<9 {
            let all = (0..<channels).map { theirs[(output * channels + $0) * 9 + place] }
            for channel in 0..<3 {
              let wanted = rule == .sum ? all.reduce(0, +) / 3 : all[channel]
              // One rounding of a sum and one of a division by 3.
              #expect(abs(ours[(output * 3 + channel) * 9 + place] - wanted) <= 2e-7 * abs(wanted))
            }
          }
        }
      }
    }
  }

  static func written(_ found: ImportedEncoder, _ name: String) throws -> Tensor {
    var tensor = Tensor.zeros([])
    try withFolder { folder in
      let path = joined(folder, "x.safetensors")
      try found.write(to: path)
      tensor = try SafetensorsFile(path).tensor("encoder_q.\(name)")
    }
    return tensor
  }

  // MARK: Values

  @Test(arguments: [DType.float32, .float64, .float16, .bfloat16], [Double.nan, .infinity, -.infinity])
  func weightsThatAreNotFiniteAreFound(dtype: DType, value: Double) throws {
    let bad = Tensor.zeros([16], dtype: .float64) + value
    try withWeights(Self.network("").map { $0.name == "bn1.bias" ? ($0.name, bad.to(dtype)) : $0 }) { file in
      let found = try ImportedEncoder(in: file)
      try withFolder { folder in
        let path = joined(folder, "x.safetensors")
        #expect(try found.write(to: path) == ["bn1.bias"])
        try FileManager.default.removeItem(atPath: path)
        let error = try failure(InterchangeError.self) {
          _ = try found.write(to: path, refusesNonFinite: true)
        }
        #expect(
          error.description
            == "\(file.path): bn1.bias has values that are NaN or infinite. Nothing was written.")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      }
    }
  }

  /// What is written is what is read tensor by tensor, whatever the form in the file.
  @Test func tensorsAreWrittenAsTheyAreRead() throws {
    var tensors = Self.network("")
    let permuted = Tensor.normal([3, 3, 3, 16], using: Generator(seed: 1)).permuted([3, 2, 1, 0])
    tensors[0].tensor = permuted
    for format in [ExportFormat.torchvision, .safetensors] {
      try withFolder { folder in
        let path = joined(folder, "x")
        try format.write(tensors, to: path)
        let found = try ImportedEncoder(in: WeightsFile(path))
        let out = joined(folder, "y.safetensors")
        #expect(try found.write(to: out).isEmpty)
        let written = try SafetensorsFile(out)
        for (name, tensor) in try found.tensors() {
          #expect(
            try written.tensor("encoder_q.\(name)").withUnsafeBytes(Array.init)
              == tensor.withUnsafeBytes(Array.init),
            "\(name)")
        }
      }
    }
  }

  /// Registers, or a normalisation before the blocks, change the features; a projection does not.
  @Test(arguments: ["reg_token", "norm_pre.weight", "dist_token", "blocks.0.ls1.gamma"])
  func aTransformerWithMoreTokensIsAnotherNetwork(name: String) throws {
    let layers = Self.transformer(hasStem: false).map { (name: $0.name, shape: $0.shape, storage: 0) }
    try withFile(Pickle.file(layers + [(name, [1, 4, 384], 0)])) { path in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: WeightsFile(path)) }
      #expect(
        error.description
          == "\(path): it is another network than it seems: its blocks have 1 tensor that no network known here has, "
          + "such as \(name).")
    }
  }

  // MARK: Files without a network
}
