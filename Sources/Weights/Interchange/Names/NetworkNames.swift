import Models

/// A library's names of a network's tensors.
protocol NetworkNames: Sendable {
  /// The library; nil where many have these names.
  var library: WeightsLibrary? { get }
  /// Each pair of endings, with the same beginning, shows such a network in a file.
  var landmarks: [Landmark] { get }
  /// The place of a tensor in this project's network; nil where it has none. A tensor that a block here does not have
  /// gets a name within the block, so that it is seen that the network is another one.
  func place(of name: String) -> TensorPlace?
  /// The places of tensors that do not begin with `prefix` and yet belong to the network: a classifier beside it. By
  /// their whole names.
  func places(beside prefix: String) -> [String: String]
}

extension NetworkNames {
  func places(beside prefix: String) -> [String: String] { [:] }
}

/// Two tensors that show where a network begins in a file: its first, and one of its first block.
struct Landmark: Hashable, Sendable {
  let first, block: String

  init(_ first: String, _ block: String) { (self.first, self.block) = (first, block) }
}

/// The place of a file's tensor: all of a tensor of the network, or one of several parts, joined along their first
/// dimension.
struct TensorPlace: Hashable, Sendable {
  let name: String
  let part: Int
  let parts: Int

  init(_ name: String, part: Int = 0, of parts: Int = 1) {
    (self.name, self.part, self.parts) = (name, part, parts)
  }
}

/// All that are read. The first that fits counts: more particular ones stand before.
enum KnownNames {
  static let all: [any NetworkNames] =
    [OwnNames(), Detectron2Names(), TransformersResNetNames()]
    + TransformersViTNames.all + [MMPretrainViTNames(), TorchvisionViTNames()]
    + [2, 3, 4].map { NumberedNames(firstStage: $0) }

  /// The libraries in words, for messages.
  static let inWords =
    "torchvision's, timm's, transformers', mmpretrain's or detectron2's names, or the numbers of a Sequential's children"
}

/// This project's names: torchvision's of residual networks, and timm's of vision transformers.
struct OwnNames: NetworkNames {
  var library: WeightsLibrary? { nil }

  let landmarks = [
    Landmark("conv1.weight", "layer1.0.conv1.weight"), Landmark("cls_token", "blocks.0.norm1.weight"),
  ]

  func place(of name: String) -> TensorPlace? { TensorPlace(name) }

  /// An encoder in mmselfsup, and in the published DenseCL, is a backbone `0` and a neck `1`, whose MLP is the head. (DenseCL's
  /// head of cells, `mlp2`, stays behind.)
  func places(beside prefix: String) -> [String: String] {
    guard EncoderRole.allCases.contains(where: { prefix.hasSuffix("\($0.name).0.") }) else { return [:] }
    let neck = prefix.dropLast(2) + "1.mlp."
    let layers = ["0.weight", "0.bias", "2.weight", "2.bias"]
    return Dictionary(uniqueKeysWithValues: layers.map { (neck + $0, "fc.\($0)") })
  }
}

extension String {
  /// Its parts between the dots.
  var parts: [Substring] { split(separator: ".", omittingEmptySubsequences: false) }
}
