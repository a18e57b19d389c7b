import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

@Suite struct ImportedEncoderTests {
  private static let spec = EncoderSpec(arch: .resnet8, stem: .cifar, imageSize: 32, normalization: .cifar)
  private static let layers = spec.tensors.map { (name: $0.name, shape: $0.shape) }

  /// Tensors by name, each filled with a number of its own, from `first` on.
  private static func network(
    _ prefix: String, head: [(name: String, shape: [Int])] = [], first: Double = 0
  ) -> [(name: String, tensor: Tensor)] {
    (layers + head).enumerated().map { index, entry in
      ("\(prefix)\(entry.name)", .full(first + Double(index), entry.shape))
    }
  }

  private static let linear = [("fc.weight", [5, 64]), ("fc.bias", [5])]
  private static let mlp = [
    ("fc.0.weight", [64, 64]), ("fc.0.bias", [64]), ("fc.2.weight", [5, 64]), ("fc.2.bias", [5]),
  ]

  private func withWeights(
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

  /// A ResNet with two bottlenecks a stage is neither whole nor a damaged ResNet-50.
  @Test func anUnknownNetworkIsRefused() throws {
    let layers = EncoderSpec(arch: .resnet50).tensors.filter {
      $0.name.prefixMatch(of: /layer[0-9]\.[2-9]/) == nil
    }
    try withWeights(layers.map { ("m.\($0.name)", .zeros($0.shape, dtype: .uint8)) }) { file in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file) }
      #expect(
        error.description
          == "\(file.path): the tensors under `m.` are of no network that is known here: "
          + "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
  }

  @Test func whatIsNotWholeIsRefused() throws {
    func text(_ tensors: [(name: String, tensor: Tensor)]) throws -> String {
      var text = ""
      try withWeights(tensors) { file in
        text = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: file) }.description
        text = text.replacingOccurrences(of: file.path, with: "FILE")
      }
      return text
    }
    #expect(
      try text(Self.network("m.").filter { $0.name != "m.layer2.0.bn2.bias" })
        == "FILE: m.layer2.0.bn2.bias is missing: the network is not whole.")
    #expect(
      try text(Self.network("").map { $0.name == "bn1.bias" ? ($0.name, .zeros([3])) : $0 })
        == "FILE: bn1.bias has the shape [3], not [16] as its neighbours need.")
    #expect(
      try text(Self.network("student.") + Self.network("teacher."))
        == "FILE: it has several networks: `student.`, `teacher.`. Save only one's state_dict.")
    #expect(
      try text([("blocks.0.attn.qkv.weight", .zeros([1]))])
        == "FILE: no network that is known here is in it; its tensors are blocks.0.attn.qkv.weight. "
        + "Encoders need torchvision's, timm's or detectron2's names.")
  }

  /// The tensors of a small transformer for images of 32 pixels.
  private static func transformer(hasStem: Bool) -> [(name: String, shape: [Int])] {
    EncoderSpec(arch: hasStem ? .vitConvSmall : .vitSmall, imageSize: 32).tensors.map { ($0.name, $0.shape) }
  }

  @Test(arguments: [false, true], ["", "module.base_encoder."])
  func transformersAreFoundByTimmsNames(hasStem: Bool, prefix: String) throws {
    let layers = Self.transformer(hasStem: hasStem)
    let head =
      prefix.isEmpty ? [("head.weight", [5, 384]), ("head.bias", [5])] : [("head.2.weight", [9, 384])]
    let tensors = (layers + head).enumerated().map { index, entry in
      (name: prefix + entry.name, tensor: Tensor.full(Double(index), entry.shape, dtype: .uint8))
    }
    try withWeights(tensors) { file in
      let found = try ImportedEncoder(in: file)
      #expect(found.prefix == prefix && found.spec.arch == (hasStem ? .vitConvSmall : .vitSmall))
      #expect(found.spec.imageSize == 32 && found.spec.normalization == .imageNet)
      #expect(found.head == (prefix.isEmpty ? .classifier : .missing))
      #expect(found.unmatched == (prefix.isEmpty ? [] : ["\(prefix)head.2.weight"]) && found.filled.isEmpty)
      let read = try found.tensors()
      #expect(read.count == layers.count + (prefix.isEmpty ? 2 : 0))
      for (index, (_, tensor)) in read.enumerated() {
        #expect(tensor.array(of: Double.self).allSatisfy { $0 == Double(index) })
      }
    }
  }

  @Test func aTransformerHasNoNamesInTorchvisionAndDetectron2() throws {
    for format in [ExportFormat.timm, .safetensors] {
      try format.check(EncoderSpec(arch: .vitSmall), path: "runs/vit")
    }
    for format in [ExportFormat.torchvision, .detectron2] {
      #expect {
        try format.check(EncoderSpec(arch: .vitSmall), path: "runs/vit")
      } throws: {
        "\($0)"
          == "runs/vit: a vision transformer goes out with timm's names only, not with \(format.rawValue)'s. "
          + "Export --format timm, safetensors, transformers or onnx."
      }
    }
  }

  @Test func detectron2sNamesGoBothWays() throws {
    let names = EncoderSpec(arch: .resnet50).tensors.map(\.name)
    #expect(names.count == 318)  // torchvision's ResNet-50 without fc
    #expect(Set(names.map(Detectron2Names.name)).count == names.count)
    #expect(names.map { Detectron2Names.torchvisionName(Detectron2Names.name(torchvision: $0)) } == names)
    try withFolder { folder in
      let path = joined(folder, "x.pkl")
      try ExportFormat.detectron2.write(Self.network("", head: Self.linear), to: path)
      let found = try ImportedEncoder(in: WeightsFile(path))
      #expect(found.prefix == "model." && found.spec == Self.spec && found.head == .missing)
      #expect(found.unmatched == [] && found.filled == [])
    }
  }
}
