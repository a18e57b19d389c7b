import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Weights

@Suite struct Exports {
  @Test func anExtensionOfAnotherFormatIsRefused() throws {
    let cases: [(ExportFormat, String, String)] = [
      (
        .torchvision, "e.safetensors",
        "torchvision takes a file that ends in .pth or .pt, or choose --format safetensors."
      ),
      (
        .detectron2, "x.pth",
        "detectron2 takes a file that ends in .pkl, or choose --format torchvision or timm or lightly."
      ),
      (
        .safetensors, "x.pth",
        "safetensors takes a file that ends in .safetensors, or choose --format torchvision or timm or lightly."
      ),
      (.onnx, "x.bin", "onnx takes a file that ends in .onnx."),
      (
        .transformers, "a/model.safetensors",
        "transformers takes a folder: name it without an extension, or choose --format safetensors."
      ),
      (.timm, "x.pth.tar", "timm takes a file that ends in .pth or .pt."),
    ]
    for (format, path, problem) in cases {
      #expect(throws: UsageError("--out \(path): \(problem)")) { try format.checkName(path) }
    }
    for format in ExportFormat.allCases {
      for ending in format.extensions { try format.checkName("a.b/x.\(ending.uppercased())") }
      try format.checkName("a.b/x")
    }
    try ExportFormat.transformers.checkName("resnet50-v1.5")
  }

  @Test func aNetworkThatAProgramLacksIsRefused() throws {
    let cases: [(EncoderSpec, ExportFormat, String)] = [
      (
        EncoderSpec(arch: .resnet18, stem: .cifar), .transformers,
        "transformers' ResNetModel begins with a 7×7 convolution and max-pooling, and this network with a 3×3 "
          + "convolution. Export --format torchvision, safetensors or onnx."
      ),
      (
        EncoderSpec(arch: .resnext50), .transformers,
        "transformers' ResNetModel has neither groups nor wide blocks, so it has no resnext50_32x4d. "
          + "Export --format torchvision, safetensors or onnx."
      ),
      (
        EncoderSpec(arch: .vitConvSmall), .transformers,
        "transformers' ViTModel has a patch projection, and vit_conv_small has convolutions in its place. "
          + "Export --format timm, safetensors or onnx."
      ),
      (
        EncoderSpec(arch: .vitSmall), .lightly,
        "a vision transformer goes out with timm's names only, not with lightly's. "
          + "Export --format timm, safetensors, transformers or onnx."
      ),
      (
        EncoderSpec(arch: .resnet8), .lightly,
        "lightly's examples build torchvision's networks, and resnet8 is none of them. "
          + "Export --format safetensors or onnx."
      ),
    ]
    for (spec, format, problem) in cases {
      #expect(throws: InterchangeError(path: "runs/x", problem: .unsupported(problem))) {
        try format.check(spec, path: "runs/x")
      }
    }
  }

  /// The names of `ResNetModel.state_dict()` and `ViTModel.state_dict()` of transformers 4.57.6, written down.
  @Test func transformersNames() {
    let names = [
      "conv1.weight": "embedder.embedder.convolution.weight",
      "bn1.running_var": "embedder.embedder.normalization.running_var",
      "layer1.0.conv1.weight": "encoder.stages.0.layers.0.layer.0.convolution.weight",
      "layer3.5.bn3.num_batches_tracked":
        "encoder.stages.2.layers.5.layer.2.normalization.num_batches_tracked",
      "layer2.0.downsample.0.weight": "encoder.stages.1.layers.0.shortcut.convolution.weight",
      "layer2.0.downsample.1.bias": "encoder.stages.1.layers.0.shortcut.normalization.bias",
    ]
    for (ours, theirs) in names { #expect(TransformersNames.residual(ours, .resnet50) == theirs) }
    let block = "encoder.layer.11"
    let transformer = [
      "cls_token": ["embeddings.cls_token"], "pos_embed": ["embeddings.position_embeddings"],
      "patch_embed.proj.bias": ["embeddings.patch_embeddings.projection.bias"],
      "blocks.11.norm1.weight": ["\(block).layernorm_before.weight"],
      "blocks.11.norm2.bias": ["\(block).layernorm_after.bias"],
      "blocks.11.attn.qkv.bias": ["query", "key", "value"].map { "\(block).attention.attention.\($0).bias" },
      "blocks.11.attn.proj.weight": ["\(block).attention.output.dense.weight"],
      "blocks.11.mlp.fc1.weight": ["\(block).intermediate.dense.weight"],
      "blocks.11.mlp.fc2.bias": ["\(block).output.dense.bias"], "norm.weight": ["layernorm.weight"],
    ]
    for (ours, theirs) in transformer {
      #expect(TransformersNames.transformer(ours, .zeros([6])).map(\.name) == theirs)
    }
    let parts = TransformersNames.transformer("blocks.0.attn.qkv.bias", Tensor([1, 2, 3] as [Float]))
    #expect(parts.map { $0.tensor.array(of: Float.self) } == [[1], [2], [3]])
  }

  @Test func lightlysNamesAreThePlacesOfTheChildren() {
    let tensors = ["conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer4.1.bn2.weight", "fc.weight"]
      .map {
        (name: $0, tensor: Tensor.zeros([1]))
      }
    #expect(
      LightlyNames.backbone(tensors).map(\.name) == [
        "0.weight", "1.bias", "4.0.conv1.weight", "7.1.bn2.weight",
      ])
  }

  /// What other programs read is read by the real ones in `mocoTests`; here, that the graph holds together.
  @Test(arguments: [
    EncoderSpec(arch: .resnet8, head: .linear(outputs: 5)), EncoderSpec(arch: .resnet18),
    EncoderSpec(arch: .vitSmall, imageSize: 32),
    EncoderSpec(arch: .vitConvSmall, pooling: .average, imageSize: 32),
  ])
  func everyInputOfANodeOfTheGraphIsThereBefore(spec: EncoderSpec) throws {
    let network = spec.makeEncoder(using: Generator(seed: 1))
    let tensors = network.state.map { (name: $0.name, tensor: $0.tensor.detached()) }
    let model = try ONNXFile(spec, tensors, normalizes: true).model()
    let weights = model.graph.initializer.map(\.name)
    #expect(Set(weights).count == weights.count)
    var known = Set(weights + model.graph.input.map(\.name))
    for node in model.graph.node {
      #expect(known.isSuperset(of: node.input), "\(node)")
      #expect(node.output.allSatisfy { known.insert($0).inserted }, "\(node)")
    }
    #expect(known.isSuperset(of: model.graph.output.map(\.name)))
    let used = Set(model.graph.node.flatMap(\.input))
    #expect(used.isSuperset(of: weights), "\(Set(weights).subtracting(used))")
    for tensor in model.graph.initializer where tensor.dataType == 1 {
      #expect(tensor.rawData.count == 4 * Int(tensor.dims.reduce(1, *)), "\(tensor.name)")
    }
    let stated = try #require(model.metadataProps.first { $0.key == "network" }?.value)
    #expect(try JSONDecoder().decode(EncoderSpec.self, from: Data(stated.utf8)) == spec)
  }
}
