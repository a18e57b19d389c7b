import Models

/// A `Sequential` of a residual network's children has numbers for names: `0.weight` is the first convolution,
/// `4.0.conv1.weight` begins the first stage. lightly's documented examples make encoders so,
/// `nn.Sequential(*list(resnet.children())[:-1])`; without the pooling, or the activation, the stages begin sooner.
struct NumberedNames: NetworkNames {
  /// The number of the first stage: 4 behind convolution, normalisation, activation and pooling.
  let firstStage: Int

  var library: WeightsLibrary? { nil }

  var landmarks: [Landmark] { [Landmark("0.weight", "\(firstStage).0.conv1.weight")] }

  func place(of name: String) -> TensorPlace? {
    let parts = name.parts
    guard let first = parts.first, parts.count > 1, let number = Int(first) else { return nil }
    let rest = parts.dropFirst().joined(separator: ".")
    switch number {
    case 0: return TensorPlace("conv1.\(rest)")
    case 1: return TensorPlace("bn1.\(rest)")
    case firstStage..<firstStage + 4 where parts.count > 2:
      return TensorPlace("layer\(number - firstStage + 1).\(rest)")
    // Behind the last stage and the pooling; the small networks have a stage less.
    case firstStage + 4, firstStage + 5: return TensorPlace("fc.\(rest)")
    default: return nil
    }
  }
}
