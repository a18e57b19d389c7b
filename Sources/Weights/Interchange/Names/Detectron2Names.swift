import Models

/// detectron2's names of a residual network's tensors, as the converter published with MoCo gives them.
struct Detectron2Names: NetworkNames {
  var library: WeightsLibrary? { .detectron2 }

  let landmarks = [Landmark("stem.conv1.weight", "res2.0.conv1.weight")]

  func place(of name: String) -> TensorPlace? { TensorPlace(Self.torchvisionName(name)) }

  /// `layer1.0.bn2.weight` → `res2.0.conv2.norm.weight`.
  static func name(torchvision name: String) -> String {
    var parts = name.split(separator: ".").map(String.init)
    if parts[0].hasPrefix("layer"), let stage = Int(parts[0].dropFirst(5)) {
      parts[0] = "res\(stage + 1)"
    } else {
      parts.insert("stem", at: 0)
    }
    guard let place = parts.firstIndex(where: { $0.hasPrefix("bn") || $0 == "downsample" }) else {
      return parts.joined(separator: ".")
    }
    if parts[place] == "downsample" {
      let isConvolution = parts[place + 1] == "0"
      parts.replaceSubrange(place...place + 1, with: isConvolution ? ["shortcut"] : ["shortcut", "norm"])
    } else {
      parts.replaceSubrange(place...place, with: ["conv\(parts[place].dropFirst(2))", "norm"])
    }
    return parts.joined(separator: ".")
  }

  /// The other way; the name itself where it is none of detectron2's.
  static func torchvisionName(_ name: String) -> String {
    var parts = name.split(separator: ".").map(String.init)
    if parts.first == "stem" {
      parts.removeFirst()
    } else if let first = parts.first, first.hasPrefix("res"), let stage = Int(first.dropFirst(3)),
      (2...5).contains(stage)
    {
      parts[0] = "layer\(stage - 1)"
    } else {
      return name
    }
    if let place = parts.firstIndex(of: "shortcut") {
      let isNorm = parts.indices.contains(place + 1) && parts[place + 1] == "norm"
      parts.replaceSubrange(place...place + (isNorm ? 1 : 0), with: ["downsample", isNorm ? "1" : "0"])
    } else if let place = parts.firstIndex(of: "norm"), place > 0, parts[place - 1].hasPrefix("conv") {
      parts.replaceSubrange(place - 1...place, with: ["bn\(parts[place - 1].dropFirst(4))"])
    }
    return parts.joined(separator: ".")
  }
}
