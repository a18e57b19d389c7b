import Models

// Vision transformers under other names than timm's. A table gives the names in a block and those outside of the blocks;
// where query, key and value are three tensors, they are joined.

/// Names by tables.
private struct ViTTable {
  /// The beginning of a block's names, up to its number: `encoder.layer.`.
  let blocks: String
  /// Names outside of the blocks.
  let outside: [String: String]
  /// Beginnings of the names in a block, without `.weight` and `.bias`.
  let inBlock: [String: String]
  /// The parts of `attn.qkv`, where there are three.
  var joined: [String] = []

  func place(of name: String) -> TensorPlace? {
    if let own = outside[name] { return TensorPlace(own) }
    guard name.hasPrefix(blocks) else {
      guard let dot = name.lastIndex(of: "."), let own = outside[String(name[..<dot])] else { return nil }
      return TensorPlace(own + name[dot...])
    }
    let rest = name.dropFirst(blocks.count)
    guard let first = rest.firstIndex(of: "."), let block = Int(rest[..<first]) else { return nil }
    let inner = String(rest[rest.index(after: first)...])
    guard let dot = inner.lastIndex(of: ".") else { return TensorPlace("blocks.\(block).\(inner)") }
    let (layer, ending) = (String(inner[..<dot]), inner[dot...])
    if let part = joined.firstIndex(of: layer) {
      return TensorPlace("blocks.\(block).attn.qkv\(ending)", part: part, of: joined.count)
    }
    return TensorPlace("blocks.\(block).\(inBlock[layer] ?? layer)\(ending)")
  }
}

/// The ViT of Hugging Face's transformers, with the names of its files, which are those of version 4, or those that
/// version 5 has in memory and `torch.save` writes. The classifier stands beside the network.
struct TransformersViTNames: NetworkNames {
  static let all = [TransformersViTNames(table: files), TransformersViTNames(table: memory)]

  private let table: ViTTable

  var library: WeightsLibrary? { .transformers }

  var landmarks: [Landmark] { [Landmark("embeddings.cls_token", "\(table.blocks)0.layernorm_before.weight")] }

  func place(of name: String) -> TensorPlace? { table.place(of: name) }

  func places(beside prefix: String) -> [String: String] {
    guard prefix == "vit." || prefix.hasSuffix(".vit.") else { return [:] }
    let classifier = prefix.dropLast("vit.".count) + "classifier"
    return ["\(classifier).weight": "head.weight", "\(classifier).bias": "head.bias"]
  }

  private static let outside = [
    "embeddings.cls_token": "cls_token", "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj", "layernorm": "norm",
  ]

  private static let files = ViTTable(
    blocks: "encoder.layer.", outside: outside,
    inBlock: [
      "layernorm_before": "norm1", "layernorm_after": "norm2", "attention.output.dense": "attn.proj",
      "intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2",
    ],
    joined: ["query", "key", "value"].map { "attention.attention.\($0)" })

  private static let memory = ViTTable(
    blocks: "layers.", outside: outside,
    inBlock: ["layernorm_before": "norm1", "layernorm_after": "norm2", "attention.o_proj": "attn.proj"],
    joined: ["q", "k", "v"].map { "attention.\($0)_proj" })
}

/// The ViT of mmpretrain, and of mmselfsup and mmcls before it.
struct MMPretrainViTNames: NetworkNames {
  var library: WeightsLibrary? { .mmpretrain }

  let landmarks = [Landmark("cls_token", "layers.0.ln1.weight")]

  private let table = ViTTable(
    blocks: "layers.",
    outside: [
      "cls_token": "cls_token", "pos_embed": "pos_embed", "patch_embed.projection": "patch_embed.proj",
      "ln1": "norm",
    ],
    inBlock: ["ln1": "norm1", "ln2": "norm2", "ffn.layers.0.0": "mlp.fc1", "ffn.layers.1": "mlp.fc2"])

  func place(of name: String) -> TensorPlace? { table.place(of: name) }
}

/// torchvision's own vision transformer.
struct TorchvisionViTNames: NetworkNames {
  var library: WeightsLibrary? { .torchvision }

  let landmarks = [Landmark("class_token", "encoder.layers.encoder_layer_0.ln_1.weight")]

  private let table = ViTTable(
    blocks: "encoder.layers.encoder_layer_",
    outside: [
      "class_token": "cls_token", "encoder.pos_embedding": "pos_embed", "conv_proj": "patch_embed.proj",
      "encoder.ln": "norm", "heads.head": "head",
    ],
    // The second names of the two layers are those of torchvision before 0.14.
    inBlock: [
      "ln_1": "norm1", "ln_2": "norm2", "self_attention.out_proj": "attn.proj", "mlp.0": "mlp.fc1",
      "mlp.3": "mlp.fc2",
      "mlp.linear_1": "mlp.fc1", "mlp.linear_2": "mlp.fc2",
    ])

  func place(of name: String) -> TensorPlace? {
    guard let place = table.place(of: name) else { return nil }
    // One tensor of three parts, without a dot: `in_proj_weight`.
    return TensorPlace(
      place.name.replacing("self_attention.in_proj_weight", with: "attn.qkv.weight")
        .replacing("self_attention.in_proj_bias", with: "attn.qkv.bias"))
  }
}
