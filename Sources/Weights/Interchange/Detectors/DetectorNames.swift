/// Names of a detector's tensors beside those of the encoder inside it.
enum DetectorNames {
  /// The encoder's name of a tensor of a detector's state: of `backbone.bottom_up.layer1.0.conv1.weight` and
  /// `backbone.layer1.0.conv1.weight` it is `layer1.0.conv1.weight`, of `roi_heads.res5.0.conv1.weight`
  /// `layer4.0.conv1.weight`. Nil for what a detector adds to its encoder.
  static func encoderName(of name: String) -> String? {
    let parts = name.parts
    if parts.count > 3, parts[0] == "roi_heads", parts[1] == "res5", Int(parts[2]) != nil {
      return (["layer4"] + parts.dropFirst(2)).joined(separator: ".")
    }
    guard parts.count > 2, parts[0] == "backbone" else { return nil }
    let own = ["bottom_up", "body"].contains(parts[1]) ? parts.dropFirst(2) : parts.dropFirst()
    guard let first = own.first, !["laterals", "outputs", "reduce"].contains(first) else { return nil }
    return own.joined(separator: ".")
  }

  /// Whether a tensor is one of a whole detector by detectron2's names.
  static func isOfDetector(_ name: String) -> Bool {
    name.hasPrefix("roi_heads.") || name.hasPrefix("proposal_generator.")
  }

  /// A counter of batch normalisation, which many files lack and which changes no result.
  static func isCounter(_ name: String) -> Bool { name.hasSuffix(".num_batches_tracked") }

  /// `res2.0.conv1.weight` of `backbone.bottom_up.res2.0.conv1.weight`: the part by which detectron2 pairs a backbone with
  /// a detector. Nil where there is none.
  static func backboneEnding(_ name: String) -> String? {
    let parts = name.parts
    let stages: [Substring] = ["stem", "res2", "res3", "res4", "res5"]
    guard let start = parts.firstIndex(where: stages.contains), start + 1 < parts.count else { return nil }
    return parts[start...].joined(separator: ".")
  }
}
