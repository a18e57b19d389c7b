import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Weights

/// Weights for the start of a run, from files of every kind.
@Suite struct InitialWeightsTests {
  private static func spec(
    _ head: Head?, imageSize: Int = 32, heads: Int? = nil, _ arch: Architecture = .resnet8
  )
    -> EncoderSpec
  {
    EncoderSpec(
      arch: arch, stem: arch.isTransformer ? nil : .cifar, heads: heads, imageSize: imageSize,
      normalization: arch.isTransformer ? .imageNet : .cifar, head: head)
  }

  /// The tensors of a network by other names.
  private static func tensors(_ spec: EncoderSpec, _ prefix: String = "", seed: UInt64 = 1) -> [(
    name: String, tensor: Tensor
  )] {
    spec.makeEncoder(using: Generator(seed: seed)).state.map { (prefix + $0.name, $0.tensor.detached()) }
  }

  private func withFile(
    _ tensors: [(name: String, tensor: Tensor)], _ name: String = "w.pth", _ body: (String) throws -> Void
  ) throws {
    try withFolder { folder in
      let path = joined(folder, name)
      try (name.hasSuffix(".pth") ? ExportFormat.torchvision : .safetensors).write(tensors, to: path)
      try body(path)
    }
  }

  @Test(arguments: ["w.pth", "w.safetensors"])
  func theBackboneOfAForeignFileIsTakenAndAHeadThatFits(name: String) throws {
    let spec = Self.spec(.mlp(outputs: 16))
    let own = Self.tensors(spec, "state_dict.module.encoder_q.")
    try withFile(own, name) { path in
      let weights = try InitialWeights(path)
      let fitted = try weights.fitted(to: spec)
      #expect(fitted.tensors.count == own.count)
      for (name, tensor) in own {
        let taken = try #require(fitted.tensors[String(name.dropFirst("state_dict.module.encoder_q.".count))])
        #expect(taken.array(of: Double.self) == tensor.array(of: Double.self), "\(name)")
      }
      let backbone = own.count - 4
      #expect(
        fitted.notes == [
          "backbone: \(backbone) tensors of a resnet8 from \(path), names beginning `state_dict.module.encoder_q.`",
          "head: MLP head of 16, from there too",
        ])
      // As any program computes it.
      let crc = try bytes(at: path).withUnsafeBytes { crc32($0) }
      #expect(
        weights.digest == "crc32:" + String(repeating: "0", count: 8 - String(crc, radix: 16).count)
          + String(crc, radix: 16))
    }
  }

  @Test func aHeadOfAnotherShapeOrKindStartsFresh() throws {
    let wanted = Self.spec(.linear(outputs: 16))
    let cases: [(EncoderSpec, String, String)] = [
      (Self.spec(nil), "", "the file has none that is known"),
      (Self.spec(.linear(outputs: 16)), "", "the file's is a classifier"),
      (Self.spec(.linear(outputs: 8)), "encoder_q.", "the file's is another: linear head of 8"),
      (Self.spec(.mlp(outputs: 16)), "encoder_q.", "the file's is another: MLP head of 16"),
    ]
    for (spec, prefix, reason) in cases {
      try withFile(Self.tensors(spec, prefix)) { path in
        let fitted = try InitialWeights(path).fitted(to: wanted)
        #expect(fitted.tensors.keys.allSatisfy { !$0.hasPrefix("fc.") })
        #expect(fitted.notes.last == "head: linear head of 16, fresh, because \(reason)")
      }
    }
  }

  @Test func anotherNetworkIsRefusedWithTheOptionToChange() throws {
    try withFile(Self.tensors(Self.spec(nil))) { path in
      let weights = try InitialWeights(path)
      #expect(
        throws: UsageError(
          "--init \(path): it holds a resnet8, and the run trains a resnet20. Give --arch resnet8, or other weights."
        )
      ) { try weights.fitted(to: EncoderSpec(arch: .resnet20)) }
      #expect(
        throws: UsageError(
          "--init \(path): its network has the cifar stem, and the run's the imagenet stem. Give --stem cifar, or other "
            + "weights.")
      ) { try weights.fitted(to: EncoderSpec(arch: .resnet8, stem: .imageNet)) }
      #expect(
        throws: UsageError(
          "--init \(path): it has no key encoder, only one without a prefix. Leave --init-key out: the key encoder then "
            + "starts as the query encoder's copy.")
      ) { try weights.fitted(to: Self.spec(nil), role: .key) }
    }
    #expect(throws: UsageError("--init /nowhere: there is no such file or folder. Check the path.")) {
      try InitialWeights("/nowhere")
    }
  }

  @Test func theKeyEncoderOfAFileIsFound() throws {
    let spec = Self.spec(.linear(outputs: 4))
    let own = Self.tensors(spec, "encoder_q.", seed: 1) + Self.tensors(spec, "encoder_k.", seed: 2)
    try withFile(own) { path in
      let key = try InitialWeights(path).fitted(to: spec, role: .key)
      for (name, tensor) in Self.tensors(spec, seed: 2) {
        #expect(key.tensors[name]?.array(of: Double.self) == tensor.array(of: Double.self), "\(name)")
      }
    }
  }

  /// Weights of this program state their attention heads, image size and normalisation.
  @Test func whatAFileStatesIsCompared() throws {
    try withFolder { folder in
      let path = joined(folder, "vit.safetensors")
      let own = Self.spec(.linear(outputs: 4), imageSize: 48, heads: 6, .vitSmall)
      let encoder = own.makeEncoder(using: Generator(seed: 1))
      try own.write(encoder, head: .projection, to: path)
      var wanted = Self.spec(.linear(outputs: 4), imageSize: 32, .vitSmall)
      let weights = try InitialWeights(path)
      #expect(
        throws: UsageError(
          "--init \(path): its network has 6 attention heads, and the run's 12. Give --heads 6, or other weights."
        )
      ) { try weights.fitted(to: wanted) }
      (wanted.heads, wanted.normalization) = (6, .cifar)
      let fitted = try weights.fitted(to: wanted)
      #expect(fitted.tensors["pos_embed"]?.shape == [1, 5, 384])
      #expect(
        fitted.notes == [
          "backbone: 150 tensors of a vit_small from \(path)",
          "position embedding: interpolated from 3×3 to 2×2 patches",
          "image size: 48 pixels there, 32 from now on",
          "normalisation: mean 0.485, 0.456, 0.406 and std 0.229, 0.224, 0.225 there, mean 0.4914, 0.4822, 0.4465 and std "
            + "0.2023, 0.1994, 0.201 from now on",
          "head: linear head of 4, from there too",
        ])
    }
  }

  @Test func anImportedTransformerSaysThatItsHeadsAreAGuess() throws {
    try withFile(Self.tensors(Self.spec(nil, imageSize: 32, .vitSmall))) { path in
      let fitted = try InitialWeights(path).fitted(
        to: Self.spec(.linear(outputs: 4), imageSize: 32, .vitSmall))
      #expect(fitted.notes.count == 3 && fitted.notes[1].hasPrefix("vit_small is read with 12 heads"))
    }
  }

  /// A run of such weights would end at its first step.
  @Test(arguments: [Double.nan, -.infinity]) func weightsThatAreNotFiniteAreRefused(value: Double) throws {
    let spec = Self.spec(.linear(outputs: 4))
    for name in ["layer1.0.conv1.weight", "fc.bias"] {
      let own = Self.tensors(spec, "encoder_q.")
      for (named, tensor) in own where named == "encoder_q." + name { tensor.narrowed(1..<2).fill(value) }
      try withFile(own) { path in
        #expect(
          throws: UsageError(
            "--init \(path): \(name) has values that are NaN or infinite. Give other weights.")
        ) { try InitialWeights(path).fitted(to: spec) }
        // A head that stays behind does no harm.
        guard name == "fc.bias" else { return }
        let fitted = try InitialWeights(path).fitted(to: Self.spec(nil))
        #expect(fitted.tensors["fc.bias"] == nil)
      }
    }
  }

  @Test func severalNetworksAndAFolderWithoutWeightsAreNamed() throws {
    let spec = Self.spec(nil)
    try withFile(Self.tensors(spec, "a.") + Self.tensors(spec, "b.", seed: 2)) { path in
      let error = try failure(UsageError.self) { _ = try InitialWeights(path).fitted(to: spec) }
      #expect(error.description.hasPrefix("--init \(path): it has several networks: `a.` (resnet8, "))
      #expect(
        error.description.hasSuffix(
          ". Import one of them first: moco import \(path) --prefix a. --out X.safetensors"))
    }
    try withFolder { folder in
      try put([1, 2], at: joined(folder, "1.jpg"))
      #expect(
        throws: UsageError(
          "--init \(folder): no weights in this folder. Give a run, a checkpoint or a file of weights.")
      ) { try InitialWeights(folder) }
    }
  }

  /// As transformers writes it, sharing the name of the weights with a checkpoint; `moco import` opens a ``WeightsFile``.
  @Test(arguments: ["model.safetensors", "pytorch_model.bin"])
  func aFolderOfTransformersIsNamed(weights: String) throws {
    try withFolder { folder in
      try put(Array("{}".utf8), at: joined(folder, "config.json"))
      try put([1, 2], at: joined(folder, weights))
      let text =
        "\(folder) is a folder of transformers: give \(folder)/\(weights) to `moco import` or --init."
      for open in [{ _ = try InitialWeights(folder) }, { _ = try WeightsFile(folder) }] as [() throws -> Void]
      {
        #expect(try failure(CheckpointError.self, open).description == text)
      }
    }
  }

  @Test func aBrokenFileIsNamed() throws {
    try withFile(Self.tensors(Self.spec(nil)).filter { $0.name != "layer2.0.conv2.weight" }) { path in
      #expect(
        throws: UsageError(
          "--init \(path): layer2.0.conv2.weight is missing: the network is not whole. `moco import` has options to "
            + "choose; its output is taken here too.")
      ) { try InitialWeights(path).fitted(to: Self.spec(nil)) }
    }
    try withTemporaryFile(Data("words".utf8)) { path in
      #expect(throws: InterchangeError.self) { try InitialWeights(path) }
    }
  }
}
