import Testing
import Torch
@testable import Models

/// Networks are recognised by the names and shapes that torchvision and timm give them.
@Suite struct EncoderMatching {
  private typealias Shapes = [String: [Int]]

  /// Names and shapes by the networks' names.
  private static func references() throws -> [String: Shapes] {
    let files: [[String: [Row]]] = [
      try fixture("torchvision_state_dicts.json"), try fixture("timm_state_dicts.json"),
    ]
    return files.reduce(into: [:]) { all, file in
      for (name, rows) in file {
        all[name] = Dictionary(uniqueKeysWithValues: rows.map { ($0.key, $0.shape) })
      }
    }
  }

  @Test func everyNetworkOfTorchvisionAndTimmIsRecognised() throws {
    let all = try Self.references()
    #expect(all.count == 13)
    for (name, shapes) in all {
      let match = try #require(EncoderMatch(shapes: shapes))
      #expect(match.spec.arch.rawValue == name && match.spec.imageSize == 224, "\(name)")
      #expect(match.spec.head == .linear(outputs: 1000), "\(name)")
      #expect(
        match.missing.isEmpty && match.misshapen.isEmpty && match.foreign.isEmpty && match.isClose, "\(name)")
      #expect(Set(match.tensors.map(\.name)) == Set(shapes.keys), "\(name)")
    }
  }

  @Test(arguments: Architecture.allCases, [nil, Head.linear(outputs: 7), .mlp(outputs: 5)])
  func everyNetworkIsRecognisedWithItsStemSizeAndHead(arch: Architecture, head: Head?) throws {
    for stem in arch.isTransformer ? [nil] : Stem.allCases.map(Optional.some) {
      let isSmall = stem == .cifar
      let spec = EncoderSpec(
        arch: arch, stem: stem, imageSize: arch.isTransformer ? 96 : isSmall ? 32 : 224,
        normalization: isSmall ? .cifar : .imageNet, head: head)
      let shapes = Dictionary(uniqueKeysWithValues: spec.tensors.map { ($0.name, $0.shape) })
      let match = try #require(EncoderMatch(shapes: shapes))
      #expect(match.spec == spec)
      #expect(match.tensors == spec.tensors)
    }
  }

  @Test(arguments: [1, 2, 3], [false, true])
  func headsWithNormalisationAreRecognised(layers: Int, endsNormalized: Bool) {
    let head = Head.normalizedMLP(layers: layers, hidden: 24, outputs: 16, endsNormalized: endsNormalized)
    let tensors = EncoderSpec(arch: .resnet8, head: head).tensors
    func shapes(_ tensors: [TensorSpec]) -> Shapes {
      Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    }
    let found = Head(shapes: shapes(tensors), named: "fc", inputs: 64)
    // Without a hidden layer its width is in no shape.
    #expect(
      found
        == (layers > 1
          ? head : .normalizedMLP(layers: 1, hidden: 16, outputs: 16, endsNormalized: endsNormalized)))
    #expect(Head(shapes: shapes(tensors.filter { !$0.isCounter }), named: "fc", inputs: 64) == found)
    #expect(Head(shapes: shapes(tensors), named: "fc", inputs: 65) == nil)
    #expect(Head(shapes: shapes(tensors).merging(["fc.9.bias": [16]]) { $1 }, named: "fc", inputs: 64) == nil)
  }

  @Test func aHeadWithBiasesIsRecognised() {
    let head = Head.biasedMLP(hidden: 24, outputs: 16)
    let tensors = EncoderSpec(arch: .vitMini, head: head).tensors
    let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    #expect(Head(shapes: shapes, named: "head", inputs: 192) == head)
    #expect(Head(shapes: shapes, named: "head", inputs: 191) == nil)
  }

  /// As wide as the small one, with patches of 16 pixels and twelve blocks.
  @Test func aTransformerOfOtherPatchesIsNotTakenForTheSmallOne() {
    let tensors = EncoderSpec(arch: .vitMini).tensors
    var shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    shapes["patch_embed.proj.weight"] = [192, 3, 16, 16]
    #expect(EncoderMatch(shapes: shapes)?.isClose != true)
  }

  @Test func oldFilesWithoutCountersAreWhole() throws {
    let spec = EncoderSpec(arch: .resnet18)
    let kept = spec.tensors.filter { !$0.isCounter }
    #expect(spec.tensors.count - kept.count == 20)
    let match = try #require(
      EncoderMatch(shapes: Dictionary(uniqueKeysWithValues: kept.map { ($0.name, $0.shape) })))
    #expect(match.spec.arch == .resnet18 && match.missing.isEmpty)
  }

  @Test func differencesAreReportedAgainstTheNearestNetwork() throws {
    var shapes = try #require(try Self.references()["resnet50"])
    shapes["layer3.2.conv2.weight"] = [256, 256, 1, 1]
    shapes["layer4.0.bn1.bias"] = nil
    shapes["layer1.0.se.fc1.weight"] = [16, 256, 1, 1]
    shapes["queue"] = [128, 65536]
    let match = try #require(EncoderMatch(shapes: shapes))
    #expect(match.spec.arch == .resnet50 && match.isClose)
    #expect(match.misshapen.map(\.name) == ["layer3.2.conv2.weight"])
    #expect(match.missing.map(\.name) == ["layer4.0.bn1.bias"])
    #expect(match.foreign == ["layer1.0.se.fc1.weight"])
  }

  @Test func anUnknownNetworkIsNotClose() throws {
    let shapes = try #require(try Self.references()["resnet50"])
    let shallow = shapes.filter { $0.key.prefixMatch(of: /layer[0-9]\.[2-9]/) == nil }
    #expect(try #require(EncoderMatch(shapes: shallow)).isClose == false)
    #expect(EncoderMatch(shapes: ["features.0.weight": [64, 3, 3, 3]]) == nil)
    #expect(EncoderMatch(shapes: [:]) == nil)
  }

  /// Not even of the largest network are weights made, and the values of a hostile file take no memory.
  @Test func namesAndShapesTakeNoWeights() {
    let before = ContinuousClock.now
    #expect(EncoderSpec(arch: .wideResnet50x4).tensors.count == 318)
    #expect(EncoderSpec(arch: .vitBase, imageSize: 8192).tensors[1].shape == [1, 1 + 512 * 512, 768])
    print("names and shapes of two networks: \(ContinuousClock.now - before)")
    let weight = Tensor.normal([1 << 20, 1 << 20], using: .shapesOnly)  // 4 TB
    #expect(weight.shape == [1 << 20, 1 << 20] && weight.strides == [0, 0])
  }
}
