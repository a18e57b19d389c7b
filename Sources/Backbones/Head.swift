import Torch

/// What follows the pooled features.
public enum Head: Codable, Sendable, Equatable {
  /// One linear layer (MoCo v1).
  case linear(outputs: Int)
  /// Linear, ReLU, linear; the hidden layer is as wide as the features (MoCo v2, SimCLR).
  case mlp(outputs: Int)
  /// Linear layers without bias, each but the last followed by batch normalisation and ReLU (MoCo v3). With
  /// `endsNormalized` the last one is followed by batch normalisation without weight and bias.
  case normalizedMLP(layers: Int, hidden: Int, outputs: Int, endsNormalized: Bool)

  /// The layers, with PyTorch's initial weights.
  /// - Parameter inputs: Size of what comes in.
  public func makeLayers(inputs: Int, using generator: Generator) -> Module {
    switch self {
    case .linear(let outputs):
      return Linear(inputs, outputs, using: generator)
    case .mlp(let outputs):
      return Sequential(
        Linear(inputs, inputs, using: generator), ReLU(), Linear(inputs, outputs, using: generator))
    case .normalizedMLP(let count, let hidden, let outputs, let endsNormalized):
      precondition(count > 0, "a head of \(count) layers")
      var layers: [Module] = []
      var width = inputs
      for _ in 1..<count {
        layers += [Linear(width, hidden, bias: false, using: generator), BatchNorm1d(hidden), ReLU()]
        width = hidden
      }
      layers.append(Linear(width, outputs, bias: false, using: generator))
      if endsNormalized { layers.append(BatchNorm1d(outputs, affine: false)) }
      return Sequential(layers)
    }
  }
}
