import Torch

// The layers of a network for rates that fall with the depth (Bao et al. 2022, "BEiT"), as timm counts them: 0 is the
// stem, then each block is one, and the classifier is the last.

extension Backbone {
  /// The number of layers, stem and classifier included.
  package var layerCount: Int { blockCount + 2 }

  /// The layer of a parameter of this backbone, or of the head behind it, by its name. The normalisation behind a
  /// transformer's blocks belongs to the last of them.
  package func layer(of parameter: String) -> Int {
    let parts = parameter.split(separator: ".")
    guard let first = parts.first else { preconditionFailure("a parameter without a name") }
    switch first {
    case "fc", "head": return layerCount - 1
    case "blocks": return 1 + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    case "norm": return blockCount
    default:
      guard first.hasPrefix("layer"), let stage = Int(first.dropFirst(5)), parts.count > 1,
        let block = Int(parts[1])
      else { return 0 }
      return 1 + architecture.depths.prefix(stage - 1).reduce(0, +) + block
    }
  }

  private var blockCount: Int {
    architecture.isTransformer ? stageCount : architecture.depths.reduce(0, +)
  }

  /// Whether weight decay leaves a parameter alone where biases and normalisations have none: these, and a transformer's
  /// class token and positions.
  package func isUndecayed(_ parameter: Module.Entry) -> Bool {
    parameter.tensor.rank <= 1 || ["cls_token", "pos_embed"].contains(parameter.name)
  }
}
