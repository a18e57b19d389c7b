/// The sizes of a vision transformer with patches of 16×16 pixels, as its tensors' shapes tell them. How many heads
/// it has they do not tell.
public struct TransformerLayout: Equatable, Sendable {
  public let width: Int
  public let depth: Int
  /// Patches along a side of the image.
  public let side: Int
  /// Whether four convolutions come before the 1×1 one that makes the patches, as in MoCo v3's variants.
  public let hasConvolutionalStem: Bool

  public init(width: Int, depth: Int, side: Int, hasConvolutionalStem: Bool) {
    self.width = width
    self.depth = depth
    self.side = side
    self.hasConvolutionalStem = hasConvolutionalStem
  }

  /// Reads the sizes from shapes by timm's names; nil if they are no such transformer's.
  ///
  /// Whether all tensors are there and fit is for ``tensors`` to say.
  public init?(shapes: [String: [Int]]) {
    guard let token = shapes["cls_token"], token.count == 3, (8...65_536).contains(token[2]),
      token[2].isMultiple(of: 8), let positions = shapes["pos_embed"], positions.count == 3,
      let side = (1...512).first(where: { 1 + $0 * $0 == positions[1] }),
      let depth = (0...).first(where: { shapes["blocks.\($0).norm1.weight"] == nil }), depth > 0
    else { return nil }
    self.init(
      width: token[2], depth: depth, side: side,
      hasConvolutionalStem: shapes["patch_embed.proj.weight"] == nil)
  }

  /// Pixels of an image's side.
  public var imageSize: Int { side * 16 }

  /// The tensors of the network up to its features: timm's names, in its order.
  public var tensors: [(name: String, shape: [Int])] {
    var tensors = [
      (name: "cls_token", shape: [1, 1, width]), (name: "pos_embed", shape: [1, 1 + side * side, width]),
    ]
    func pair(_ name: String, _ shape: [Int]) {
      tensors += [("\(name).weight", shape), ("\(name).bias", [shape[0]])]
    }
    if hasConvolutionalStem {
      var inputs = 3
      for (index, outputs) in [width / 8, width / 4, width / 2, width].enumerated() {
        tensors.append(("patch_embed.proj.\(3 * index).weight", [outputs, inputs, 3, 3]))
        let norm = "patch_embed.proj.\(3 * index + 1)"
        pair(norm, [outputs])
        tensors += [("\(norm).running_mean", [outputs]), ("\(norm).running_var", [outputs])]
        tensors.append(("\(norm).\(ResNetLayout.counter)", []))
        inputs = outputs
      }
      pair("patch_embed.proj.12", [width, width, 1, 1])
    } else {
      pair("patch_embed.proj", [width, 3, 16, 16])
    }
    for block in (0..<depth).map({ "blocks.\($0)" }) {
      pair("\(block).norm1", [width])
      pair("\(block).attn.qkv", [3 * width, width])
      pair("\(block).attn.proj", [width, width])
      pair("\(block).norm2", [width])
      pair("\(block).mlp.fc1", [4 * width, width])
      pair("\(block).mlp.fc2", [width, 4 * width])
    }
    pair("norm", [width])
    return tensors
  }
}
