/// The sizes of an encoder, as its tensors' shapes tell them.
public enum EncoderLayout: Equatable, Sendable {
  case resNet(ResNetLayout)
  case transformer(TransformerLayout)

  /// Reads the sizes from shapes by torchvision's or timm's names; nil if they are no encoder's.
  public init?(shapes: [String: [Int]]) {
    if let layout = ResNetLayout(shapes: shapes) {
      self = .resNet(layout)
    } else if let layout = TransformerLayout(shapes: shapes) {
      self = .transformer(layout)
    } else {
      return nil
    }
  }

  /// Size of the features.
  public var featureSize: Int {
    switch self {
    case .resNet(let layout): layout.featureSize
    case .transformer(let layout): layout.width
    }
  }

  /// The tensors of the network up to its features, in its order.
  public var tensors: [(name: String, shape: [Int])] {
    switch self {
    case .resNet(let layout): layout.tensors
    case .transformer(let layout): layout.tensors
    }
  }

  /// Linear layers of MoCo v3's projector behind it (Chen, Xie, He 2021, appendix A).
  var projectorLayers: Int {
    switch self {
    case .resNet: 2
    case .transformer: 3
    }
  }

  /// What the head's names begin with.
  public var headName: String {
    switch self {
    case .resNet: "fc"
    case .transformer: "head"
    }
  }
}
