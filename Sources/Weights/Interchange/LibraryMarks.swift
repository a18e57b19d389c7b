import Models

extension WeightsLibrary {
  /// The library that a network of a file comes from, by its names, its partner's and those beside it; nil where these are
  /// the names of many.
  /// - Parameter head: the layers behind the features in the network.
  init?(
    of network: FoundNetwork, in file: WeightsFile, among networks: [FoundNetwork], arch: Architecture,
    head: Head?
  ) {
    let prefix = network.prefix
    let parts = prefix.split(separator: ".")
    let partner = EncoderPair.partner(of: prefix, among: networks.map(\.prefix))
    if let library = network.names.library ?? partner?.pair.library ?? Self.mark(of: parts) {
      self = library
    } else if let library = Self.neighbours(of: prefix, numbered: network.names is NumberedNames, in: file) {
      self = library
    } else if arch == .vitSmall || arch == .vitBase, network.names is OwnNames, parts.isEmpty,
      case .linear = head
    {
      // A whole classifier under timm's names, and no prefix. Others' publish the features' part alone.
      self = .timm
    } else {
      return nil
    }
  }

  /// Parts of a prefix that one library has.
  private static func mark(of parts: [Substring]) -> WeightsLibrary? {
    let marks: [(Substring, WeightsLibrary)] = [
      ("_feature_blocks", .vissl), ("classy_state_dict", .vissl), ("encoder_q", .moco), ("encoder_k", .moco),
      ("base_encoder", .mocoV3), ("embedding_model", .lightlyTrain),
      ("student_embedding_model", .lightlyTrain),
      ("teacher_embedding_model", .lightlyTrain), ("momentum_backbone", .soloLearn),
      ("backbone_momentum", .lightly),
      ("state_dict_ema", .timm),
    ]
    return marks.first { parts.contains($0.0) }?.1
  }

  /// By the layers that stand beside a backbone.
  private static func neighbours(of prefix: String, numbered: Bool, in file: WeightsFile) -> WeightsLibrary? {
    guard let last = prefix.split(separator: ".").last else { return nil }
    let parent = prefix.dropLast(last.count + 1)
    func has(_ name: String) -> Bool { file.entries.contains { $0.name.hasPrefix(parent + name) } }
    switch last {
    case "backbone":
      if numbered || has("projection_head.") { return .lightly }
      if has("projector."), has("classifier.") { return .soloLearn }
      return has("neck.") || has("data_preprocessor.") ? .mmpretrain : nil
    case "encoder": return has("projector.") && has("classifier.") ? .soloLearn : nil
    default: return nil
    }
  }
}
