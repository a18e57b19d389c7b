import Models
import Torch

extension ONNXBuilder {
  /// A vision transformer from its normalised images to `features`; see `VisionTransformer`.
  mutating func addTransformer(_ spec: EncoderSpec, _ sizes: Architecture.Transformer, _ images: String) {
    let heads = spec.heads ?? Architecture.defaultHeads
    var x = tokens(patches(images, sizes), width: sizes.width)
    // Reshape takes 0 as the size it finds and −1 as the rest.
    let split = constant("heads", [0, 0, 3, Int64(heads), Int64(sizes.width / heads)])
    let joined = constant("width", [0, 0, Int64(sizes.width)])
    let parts = (0..<3).map { constant("part\($0)", [Int64($0)]) }
    let axis = constant("axis0", [0])
    let scale = constant("attention_scale", [Float(1 / Double(sizes.width / heads).squareRoot())], [1])
    for block in 0..<sizes.depth {
      let name = "blocks.\(block)"
      let qkv = linear(normed(x, "\(name).norm1"), "\(name).attn.qkv")  // N×L×3C
      let heads = add(
        "Transpose", [add("Reshape", [qkv, split])], [.ints("perm", [2, 0, 3, 1, 4])])  // 3×N×H×L×C/H
      let each = parts.map { add("Squeeze", [add("Gather", [heads, $0], [.int("axis", 0)]), axis]) }
      let keys = add("Transpose", [each[1]], [.ints("perm", [0, 1, 3, 2])])
      let scores = add("MatMul", [add("Mul", [each[0], scale]), keys])
      let seen = add("MatMul", [add("Softmax", [scores], [.int("axis", -1)]), each[2]])  // N×H×L×C/H
      let rows = add("Reshape", [add("Transpose", [seen], [.ints("perm", [0, 2, 1, 3])]), joined])
      x = add("Add", [x, linear(rows, "\(name).attn.proj")])
      let hidden = gelu(linear(normed(x, "\(name).norm2"), "\(name).mlp.fc1"))
      x = add("Add", [x, linear(hidden, "\(name).mlp.fc2")])
    }
    pool(normed(x, "norm"), spec.pooling ?? .token)
  }

  /// N×3×S×S → N×C×S/P×S/P, for patches of P×P pixels.
  private mutating func patches(_ images: String, _ sizes: Architecture.Transformer) -> String {
    guard sizes.hasConvolutionalStem else {
      let patch = Int64(sizes.patch)
      return add(
        "Conv", [images, weight("patch_embed.proj.weight"), weight("patch_embed.proj.bias")],
        [.ints("kernel_shape", [patch, patch]), .ints("strides", [patch, patch])])
    }
    var x = images
    for layer in 0..<4 {
      let place = 3 * layer  // each is followed by its normalisation and a ReLU
      x = convolved(
        x, "patch_embed.proj.\(place)", "patch_embed.proj.\(place + 1)", stride: 2, padding: 1)
      x = add("Relu", [x])
    }
    return add("Conv", [x, weight("patch_embed.proj.12.weight"), weight("patch_embed.proj.12.bias")])
  }

  /// The class token before the patches, with their positions: N×C×h×w → N×(1+L)×C.
  private mutating func tokens(_ patches: String, width: Int) -> String {
    let rows = add(
      "Transpose", [add("Reshape", [patches, constant("places", [0, Int64(width), -1])])],
      [.ints("perm", [0, 2, 1])])
    // As many class tokens as images.
    let count = add(
      "Gather", [add("Shape", [rows]), constant("first", [0])], [.int("axis", 0)])
    let shape = add("Concat", [count, constant("token_shape", [1, Int64(width)])], [.int("axis", 0)])
    let token = add("Expand", [weight("cls_token"), shape])
    return add("Add", [add("Concat", [token, rows], [.int("axis", 1)]), weight("pos_embed")])
  }

  private mutating func pool(_ tokens: String, _ pooling: Pooling) {
    switch pooling {
    case .token:
      add(
        "Squeeze", [add("Gather", [tokens, "first"], [.int("axis", 1)]), constant("axis1", [1])],
        to: "features")
    case .average:
      let (begin, end) = (constant("begin", [1]), constant("end", [Int64.max]))
      let patches = add("Slice", [tokens, begin, end, begin])
      add("ReduceMean", [patches], [.ints("axes", [1]), .int("keepdims", 0)], to: "features")
    }
  }

  private mutating func normed(_ x: String, _ name: String) -> String {
    add(
      "LayerNormalization", [x, weight("\(name).weight"), weight("\(name).bias")],
      [.int("axis", -1), .float("epsilon", Float(VisionTransformer.normEpsilon))])
  }

  /// x·Wᵀ + b for every row.
  private mutating func linear(_ x: String, _ name: String) -> String {
    let turned = add("Transpose", [weight("\(name).weight")], [.ints("perm", [1, 0])])
    return add("Add", [add("MatMul", [x, turned]), weight("\(name).bias")])
  }

  /// x/2 · (1 + erf(x/√2)). The operator `Gelu` came with version 20.
  private mutating func gelu(_ x: String) -> String {
    let half = shared("half", 0.5), one = shared("one", 1), root = shared("root_half", 0.5.squareRoot())
    let erf = add("Erf", [add("Mul", [x, root])])
    return add("Mul", [add("Mul", [x, half]), add("Add", [erf, one])])
  }

  /// A number, once in the graph.
  private mutating func shared(_ name: String, _ value: Double) -> String {
    graph.initializer.contains { $0.name == name } ? name : constant(name, [Float(value)], [1])
  }
}
