import Models

/// The ResNet of Hugging Face's transformers: `encoder.stages.0.layers.1.layer.0.convolution.weight`. The classifier
/// stands beside the network.
struct TransformersResNetNames: NetworkNames {
  var library: WeightsLibrary? { .transformers }

  let landmarks = [
    Landmark(
      "embedder.embedder.convolution.weight", "encoder.stages.0.layers.0.layer.0.convolution.weight")
  ]

  func place(of name: String) -> TensorPlace? {
    let parts = name.parts.map(String.init)
    if name.hasPrefix("embedder.embedder."), parts.count == 4 {
      return parts[2] == "convolution"
        ? TensorPlace("conv1.\(parts[3])")
        : parts[2] == "normalization" ? TensorPlace("bn1.\(parts[3])") : nil
    }
    guard name.hasPrefix("encoder.stages."), parts.count > 5, parts[3] == "layers", let stage = Int(parts[2]),
      (0..<4).contains(stage)
    else { return nil }
    let rest = Array(parts[5...])
    return TensorPlace(
      "layer\(stage + 1).\(parts[4]).\(Self.name(inBlock: rest) ?? rest.joined(separator: "."))")
  }

  /// `layer.0.convolution.weight` → `conv1.weight`, `shortcut.normalization.bias` → `downsample.1.bias`.
  private static func name(inBlock parts: [String]) -> String? {
    guard let kind = parts.dropLast().last, let last = parts.last,
      kind == "convolution" || kind == "normalization"
    else { return nil }
    if parts.count == 3, parts[0] == "shortcut" {
      return "downsample.\(kind == "convolution" ? 0 : 1).\(last)"
    }
    guard parts.count == 4, parts[0] == "layer", let index = Int(parts[1]), (0..<3).contains(index) else {
      return nil
    }
    return "\(kind == "convolution" ? "conv" : "bn")\(index + 1).\(last)"
  }

  func places(beside prefix: String) -> [String: String] {
    guard prefix == "resnet." || prefix.hasSuffix(".resnet.") else { return [:] }
    let classifier = prefix.dropLast("resnet.".count) + "classifier.1"
    return ["\(classifier).weight": "fc.weight", "\(classifier).bias": "fc.bias"]
  }
}
