import Torch

extension GeneralizedRCNN {
  /// detectron2's name of a tensor of a detector's state: `backbone.layer1.0.bn1.weight` is
  /// `backbone.res2.0.conv1.norm.weight`. No two have the same.
  public static func detectron2Name(of name: String) -> String {
    var parts = name.split(separator: ".").map(String.init)
    guard let first = parts.first else { return name }
    switch first {
    case "backbone": renameBackbone(&parts)
    case "roi_heads": renameHeads(&parts)
    default: break
    }
    return parts.joined(separator: ".")
  }

  private static func renameBackbone(_ parts: inout [String]) {
    let start = parts.count > 1 && ["bottom_up", "body"].contains(parts[1]) ? 2 : 1  // of the ResNet's names
    guard parts.count > start else { return }
    switch parts[start] {
    case "conv1": parts.insert("stem", at: start)
    case "bn1": parts.replaceSubrange(start...start, with: ["stem", "conv1", "norm"])
    case "laterals": number(&parts, start, "fpn_lateral", from: 2)
    case "outputs": number(&parts, start, "fpn_output", from: 2)
    case let stage where stage.hasPrefix("layer"):
      guard let index = Int(stage.dropFirst("layer".count)) else { return }
      parts[start] = "res\(index + 1)"
      renameBlock(&parts, start + 2)
    default: break
    }
  }

  /// Below `res5.0`, the layers of a residual block.
  private static func renameBlock(_ parts: inout [String], _ start: Int) {
    guard parts.count > start else { return }
    if parts[start].hasPrefix("bn") {
      parts.replaceSubrange(start...start, with: ["conv" + parts[start].dropFirst(2), "norm"])
    } else if parts[start] == "downsample", parts.count > start + 1 {
      parts.replaceSubrange(
        start...start + 1, with: parts[start + 1] == "0" ? ["shortcut"] : ["shortcut", "norm"])
    }
  }

  private static func renameHeads(_ parts: inout [String]) {
    guard parts.count > 3 else { return }
    switch (parts[1], parts[2]) {
    case ("res5", let block) where Int(block) != nil: renameBlock(&parts, 3)
    case ("box_head", "convs"): number(&parts, 2, "conv", from: 1)
    case ("box_head", "fcs"): number(&parts, 2, "fc", from: 1)
    case ("mask_head", "mask_fcns"): number(&parts, 2, "mask_fcn", from: 1)
    case ("keypoint_head", "conv_fcns"): number(&parts, 2, "conv_fcn", from: 1)
    default: break
    }
  }

  /// `fcs.0` → `fc1`.
  private static func number(_ parts: inout [String], _ start: Int, _ name: String, from first: Int) {
    guard parts.count > start + 1, let index = Int(parts[start + 1]) else { return }
    parts.replaceSubrange(start...start + 1, with: [name + "\(index + first)"])
  }
}
