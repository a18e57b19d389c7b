/// Modules one after the other, named `0`, `1`, …
public final class Sequential: Module {
  public let layers: [Module]

  public init(_ layers: [Module]) { self.layers = layers }
  public convenience init(_ layers: Module...) { self.init(layers) }

  public override func stateName(of property: String) -> String? {
    property == "layers" ? nil : super.stateName(of: property)
  }

  public override func forward(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0) } }
}

/// max(0, x), as a member of a ``Sequential``.
public final class ReLU: Module {
  public override func forward(_ x: Tensor) -> Tensor { relu(x) }
}
