import Foundation
import Models
import Torch

/// Parameters with one learning rate and one weight decay, as timm's `param_groups_layer_decay` groups them.
struct ParameterGroup {
  /// Whether they are the classifier's.
  let isClassifier: Bool
  /// What their learning rate is multiplied by: a power of the layer decay.
  let rateScale: Double
  /// Whether they have weight decay.
  let isDecayed: Bool
  let names: [String]
  let tensors: [Tensor]

  /// The groups of a network, the first layers first; of each layer, those with weight decay first.
  /// - Parameters:
  ///   - network: The parameters of its classifier are named `fc.…` or `head.…`.
  ///   - layerDecay: Above 0 and at most 1.
  ///   - decaysAll: Whether all parameters have weight decay.
  static func all(of network: ImageEncoder, layerDecay: Double, decaysAll: Bool) -> [ParameterGroup] {
    precondition(layerDecay > 0 && layerDecay <= 1, "a layer decay of \(layerDecay)")
    let backbone = network.backbone
    let last = backbone.layerCount - 1
    let parameters = network.namedParameters
    let layers = parameters.map { backbone.layer(of: $0.name) }
    precondition(
      layers.contains(last) && layers.contains { $0 < last },
      "\(layers.count { $0 == last }) of \(parameters.count) parameters are fc.… or head.…")
    // Layers with equal rates are one group.
    let isOne = layerDecay == 1
    return (0...last).flatMap { layer -> [ParameterGroup] in
      [true, false].compactMap { isDecayed -> ParameterGroup? in
        let own = parameters.indices.filter { place in
          let layerHere = isOne && layers[place] < last ? 0 : layers[place]
          return layerHere == layer
            && (decaysAll || !backbone.isUndecayed(parameters[place])) == isDecayed
        }.map { parameters[$0] }
        guard !own.isEmpty else { return nil }
        return ParameterGroup(
          isClassifier: layer == last, rateScale: pow(layerDecay, Double(last - layer)), isDecayed: isDecayed,
          names: own.map(\.name), tensors: own.map(\.tensor))
      }
    }
  }
}
