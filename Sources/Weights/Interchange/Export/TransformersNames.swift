import Models
import Torch

/// transformers' names of a network's tensors, without a prefix: those of `ResNetModel` and `ViTModel` in files, which
/// versions 4 and 5 share.
enum TransformersNames {
  /// `layer2.0.downsample.1.bias` → `encoder.stages.1.layers.0.shortcut.normalization.bias`.
  static func residual(_ name: String, _ arch: Architecture) -> String {
    let parts = name.split(separator: ".").map(String.init)
    func kind(_ part: String) -> String { part.hasPrefix("conv") ? "convolution" : "normalization" }
    guard parts[0].hasPrefix("layer"), let stage = Int(parts[0].dropFirst(5)) else {
      return "embedder.embedder.\(kind(parts[0])).\(parts[1])"
    }
    let block = "encoder.stages.\(stage - 1).layers.\(parts[1])"
    if parts[2] == "downsample" {
      return "\(block).shortcut.\(parts[3] == "0" ? "convolution" : "normalization").\(parts[4])"
    }
    // conv1 and bn1 are the parts of layer 0.
    let place = (parts[2].last?.wholeNumberValue ?? 1) - 1
    return "\(block).layer.\(place).\(kind(parts[2])).\(parts[3])"
  }

  /// `blocks.3.mlp.fc1.weight` → `encoder.layer.3.intermediate.dense.weight`; `qkv` is three tensors there.
  static func transformer(_ name: String, _ tensor: Tensor) -> [(name: String, tensor: Tensor)] {
    switch name {
    case "cls_token": return [("embeddings.cls_token", tensor)]
    case "pos_embed": return [("embeddings.position_embeddings", tensor)]
    default: break
    }
    let parts = name.split(separator: ".").map(String.init)
    let last = parts[parts.count - 1]
    switch parts[0] {
    case "patch_embed": return [("embeddings.patch_embeddings.projection.\(last)", tensor)]
    case "norm": return [("layernorm.\(last)", tensor)]
    default: break
    }
    let block = "encoder.layer.\(parts[1])"
    switch parts[2..<parts.count - 1].joined(separator: ".") {
    case "norm1": return [("\(block).layernorm_before.\(last)", tensor)]
    case "norm2": return [("\(block).layernorm_after.\(last)", tensor)]
    case "attn.proj": return [("\(block).attention.output.dense.\(last)", tensor)]
    case "mlp.fc1": return [("\(block).intermediate.dense.\(last)", tensor)]
    case "mlp.fc2": return [("\(block).output.dense.\(last)", tensor)]
    default:
      let width = tensor.shape[0] / 3
      return ["query", "key", "value"].enumerated().map { place, part in
        ("\(block).attention.attention.\(part).\(last)", tensor.narrowed(place * width..<(place + 1) * width))
      }
    }
  }
}
