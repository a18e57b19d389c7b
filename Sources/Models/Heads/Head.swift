import Torch

/// The layers behind the features.
public enum Head: Codable, Sendable, Equatable {
  /// One linear layer (MoCo v1).
  case linear(outputs: Int)
  /// Linear, ReLU, linear; the hidden layer is as wide as the features (MoCo v2, SimCLR).
  case mlp(outputs: Int)
  /// Linear layers without bias, each but the last followed by batch normalisation and ReLU (MoCo v3). With
  /// `endsNormalized` the last one is followed by batch normalisation without weight and bias.
  case normalizedMLP(layers: Int, hidden: Int, outputs: Int, endsNormalized: Bool)
  /// Linear, batch normalisation, ReLU, linear, both linear layers with a bias (CMAE).
  case biasedMLP(hidden: Int, outputs: Int)

  package var summary: String {
    switch self {
    case .linear(let outputs): "linear head of \(outputs)"
    case .mlp(let outputs): "MLP head of \(outputs)"
    case .biasedMLP(let hidden, let outputs): "MLP head, \(hidden) hidden, \(outputs) out"
    case .normalizedMLP(let layers, let hidden, let outputs, _):
      "head of \(layers) layers, \(hidden) hidden, \(outputs) out"
    }
  }

  /// The layers, with PyTorch's initial weights.
  /// - Parameter inputs: size of the features.
  public func makeLayers(inputs: Int, using generator: Generator) -> Module {
    switch self {
    case .linear(let outputs):
      return Linear(inputs, outputs, using: generator)
    case .mlp(let outputs):
      return Sequential(
        Linear(inputs, inputs, using: generator), ReLU(), Linear(inputs, outputs, using: generator))
    case .biasedMLP(let hidden, let outputs):
      return Sequential(
        Linear(inputs, hidden, using: generator), BatchNorm1d(hidden), ReLU(),
        Linear(hidden, outputs, using: generator))
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
  /// The head that has exactly the tensors below `name`; nil where there is none, or one of an unknown kind. Counters of
  /// batch normalisation may be absent.
  /// - Parameters:
  ///   - shapes: of an encoder's tensors, by its names.
  ///   - inputs: size of the features.
  public init?(shapes: [String: [Int]], named name: String, inputs: Int) {
    let own = shapes.filter { $0.key.hasPrefix("\(name).") }
    guard let head = Head(layers: own, named: name) else { return nil }
    let tensors = head.makeLayers(inputs: inputs, using: .shapesOnly).tensorSpecs
    let found = tensors.count { own["\(name).\($0.name)"] == $0.shape }
    guard found == own.count, tensors.allSatisfy({ $0.isCounter || own["\(name).\($0.name)"] != nil }) else {
      return nil
    }
    self = head
  }

  /// Reads the sizes from the linear layers' weights.
  private init?(layers shapes: [String: [Int]], named name: String) {
    func outputs(_ layer: String) -> Int? {
      guard let shape = shapes["\(name)\(layer).weight"], shape.count == 2 else { return nil }
      return (1...65_536).contains(shape[0]) ? shape[0] : nil
    }
    if let outputs = outputs("") {
      self = .linear(outputs: outputs)
    } else if let outputs = outputs(".2") {
      self = .mlp(outputs: outputs)
    } else if shapes["\(name).0.bias"] != nil, let hidden = outputs(".0"), let outputs = outputs(".3") {
      self = .biasedMLP(hidden: hidden, outputs: outputs)
    } else if let last = (0..<64).last(where: { outputs(".\(3 * $0)") != nil }), let hidden = outputs(".0"),
      let outputs = outputs(".\(3 * last)")
    {
      self = .normalizedMLP(
        layers: last + 1, hidden: hidden, outputs: outputs,
        endsNormalized: shapes["\(name).\(3 * last + 1).running_mean"] != nil)
    } else {
      return nil
    }
  }
}
