import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

/// Files without a network that can be read, and networks that only look like one.
extension ImportedEncoderTests {
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
      try text([("blocks.0.attn.qkv.weight", .zeros([1]))])
        == "FILE: no network that is known here is in it; its tensors are blocks.0.attn.qkv.weight. "
        + "Read are torchvision's, timm's, transformers', mmpretrain's or detectron2's names, or the numbers of a "
        + "Sequential's children.")
  }

  @Test func aLookAlikeIsNamedWhereNothingTells() throws {
    func layers(_ prefix: String) -> [(name: String, shape: [Int], storage: Int)] {
      EncoderSpec(arch: .resnet50).tensors.map { (prefix + $0.name, $0.shape, 0) }
    }
    try withFile(Pickle.file(layers(""))) { path in
      let note = try lookAlike(at: path)
      #expect(
        note
          == "timm's resnetaa50 and resnetblur50 have the same tensors as resnet50 and compute other features; nothing in "
          + "the file shows which it is")
    }
    try withFile(Pickle.file(layers("module.encoder_q."))) { path in
      let note = try lookAlike(at: path)
      #expect(note == nil)
    }
    try withFile(Pickle.file(layers("state_dict."), arch: "resnet50")) { path in
      let note = try lookAlike(at: path)
      #expect(note == nil)
    }
    try withFile(Pickle.file(layers("state_dict."), arch: "resnetaa50")) { path in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: WeightsFile(path)) }
      #expect(
        error.description
          == "\(path): it says that it is a resnetaa50, which has the tensors of a resnet50 and computes other features."
      )
    }
  }

  /// Query, key and value of one block, of which one is missing or of another width.
  @Test func partsThatDoNotFitTogetherAreRefused() throws {
    let own = Self.transformer(hasStem: false)
    func file(_ change: (String, [Int]) -> [Int]?) throws -> [UInt8] {
      var tensors: [(name: String, shape: [Int], storage: Int)] = [
        ("embeddings.cls_token", [1, 1, 384], 0), ("embeddings.position_embeddings", [1, 5, 384], 0),
        ("embeddings.patch_embeddings.projection.weight", [384, 3, 16, 16], 0),
        ("embeddings.patch_embeddings.projection.bias", [384], 0), ("layernorm.weight", [384], 0),
        ("layernorm.bias", [384], 0),
      ]
      for block in 0..<12 {
        for (name, outputs, inputs) in [
          ("attention.q_proj", 384, 384), ("attention.k_proj", 384, 384), ("attention.v_proj", 384, 384),
          ("attention.o_proj", 384, 384), ("mlp.fc1", 1536, 384), ("mlp.fc2", 384, 1536),
          ("layernorm_before", 384, 0),
          ("layernorm_after", 384, 0),
        ] {
          for ending in ["weight", "bias"] {
            let whole = "layers.\(block).\(name).\(ending)"
            let shape = ending == "bias" || inputs == 0 ? [outputs] : [outputs, inputs]
            if let shape = change(whole, shape) { tensors.append((whole, shape, 0)) }
          }
        }
      }
      return try Pickle.file(tensors)
    }
    try withFile(try file { $1 }) { path in
      let found = try ImportedEncoder(in: WeightsFile(path))
      #expect(found.spec.tensors.count == own.count && found.spec.imageSize == 32)
    }
    let key = "layers.3.attention.k_proj.weight"
    try withFile(try file { $0 == key ? nil : $1 }) { path in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: WeightsFile(path)) }
      #expect(
        error.description
          == "\(path): a part of blocks.3.attn.qkv.weight is missing: the network is not whole.")
    }
    try withFile(try file { $0 == key ? [384, 100] : $1 }) { path in
      let error = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: WeightsFile(path)) }
      #expect(
        error.description
          == "\(path): layers.3.attention.q_proj.weight has parts of the shapes [[384, 384], [384, 100], [384, 384]], not "
          + "[1152, 384] as its neighbours need.")
    }
  }

  @Test func whatHoldsNoNetworkIsSaid() throws {
    func text(_ bytes: [UInt8]) throws -> String {
      var text = ""
      try withFile(bytes) { path in
        text = try failure(InterchangeError.self) { _ = try ImportedEncoder(in: WeightsFile(path)) }
          .description
        text = text.replacingOccurrences(of: path, with: "FILE")
      }
      return text
    }
    let save = "Save the network's state_dict with torch.save."
    var empty = Pickle()
    empty.operations("}.")
    #expect(try text(empty.bytes) == "FILE: it holds no tensors. \(save)")
    var module = Pickle()
    module.global("torchvision.models.resnet", "ResNet")
    module.raw([0x29, 0x81, 0x7D, 0x62, 0x2E])
    #expect(
      try text(module.bytes)
        == "FILE: it holds no tensors, only objects that are not read: torchvision.models.resnet.ResNet. \(save)"
    )
    #expect(
      try text(Pickle.file([("0", [2], 0), ("1", [3], 0)]))
        == "FILE: it holds a list of 2 tensors, without names. \(save)")
    #expect(
      try text(
        Pickle.file([("state.0.exp_avg", [2], 0), ("state.0.exp_avg_sq", [2], 0), ("state.0.step", [], 0)]))
        == "FILE: it holds the state of an optimizer and no network. \(save)")
    var tensor = Pickle()
    tensor.tensor(shape: [2, 2], strides: [2, 1], offset: 0, storage: 4)
    tensor.operations(".")
    #expect(
      try text(
        zipFile([
          ("x/data.pkl", tensor.bytes), ("x/data/0", [UInt8](repeating: 0, count: 16)), ("x/version", [0x33]),
        ])) == "FILE: it holds one tensor of the shape [2, 2], without a name. \(save)")
  }

  @Test func filesInPlaceOfWeightsAreNamed() throws {
    let cases: [(text: String, reason: String?)] = [
      (
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        "this is a pointer of Git LFS, not the weights. Fetch them with `git lfs pull`."
      ),
      (
        "\n<!DOCTYPE html>\n<html lang=\"en\">",
        "this is a web page (HTML), not weights. Download the file itself, not the page that shows it."
      ),
      ("{\"model_type\": \"vit\"}", "this is JSON, not weights. Name the .safetensors or .pth file."),
      ("\u{89}HDF", nil),
    ]
    for (text, reason) in cases {
      try withFile(Array(text.utf8)) { path in
        let error = try failure(InterchangeError.self) { _ = try WeightsFile(path) }
        #expect(reason.map { error.description == "\(path): \($0)" } ?? (error.problem == .unknownFormat))
      }
    }
    try withFile([0x89] + Array("HDF\r\n\u{1A}\n".utf8)) { path in
      let error = try failure(InterchangeError.self) { _ = try WeightsFile(path) }
      #expect(
        error.description == "\(path): this is an HDF5 file, as Keras writes; its weights are not read.")
    }
  }
}
