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

extension Head {
  /// The head whose tensors below `name` have these shapes; nil where there is none that is known here.
  /// - Parameter shapes: of an encoder's tensors, by its names.
  public init?(shapes: [String: [Int]], named name: String) {
    func outputs(_ layer: String) -> Int? { shapes["\(name)\(layer).weight"].flatMap { $0.count == 2 ? $0[0] : nil } }
    if let outputs = outputs("") {
      self = .linear(outputs: outputs)
    } else if let hidden = outputs(".0"), let outputs = outputs(".2") {
      guard shapes["\(name).0.weight"]?.last == hidden else { return nil }
      self = .mlp(outputs: outputs)
    } else if let hidden = outputs(".0"),
      let last = (0..<64).last(where: { outputs(".\(3 * $0)") != nil }), let outputs = outputs(".\(3 * last)")
    {
      self = .normalizedMLP(
        layers: last + 1, hidden: last == 0 ? outputs : hidden, outputs: outputs,
        endsNormalized: shapes["\(name).\(3 * last + 1).running_mean"] != nil)
    } else {
      return nil
    }
  }
}
