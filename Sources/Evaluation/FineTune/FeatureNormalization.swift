import Models
import Torch

/// A classifier behind batch normalisation of the features, so that their scale does not matter for its learning rate.
final class NormalizedClassifier: Module {
  let norm: BatchNorm1d
  let linear: Linear

  /// - Parameter linear: C×D.
  init(_ linear: Linear) {
    let weight = linear.weight.tensor
    norm = BatchNorm1d(weight.shape[1], affine: false)
    self.linear = linear
    super.init()
    norm.move(to: weight.device)
  }

  override func forward(_ x: Tensor) -> Tensor { linear(norm(x)) }

  /// One linear layer with the same outputs in evaluation mode: W·(x − μ)/√(σ² + ε) + b.
  func folded() -> Linear {
    withNoGrad {
      let scale = (norm.runningVar.tensor + BatchNorm2d.epsilon).pow(-0.5)  // D
      let weight = linear.weight.tensor.detached() * scale  // C×D
      let shift = (weight * norm.runningMean.tensor).sum(dim: 1)  // C
      let bias = linear.bias.map { $0.tensor.detached() - shift } ?? -shift
      return Linear(weight: Parameter(weight), bias: Parameter(bias))
    }
  }
}

extension ImageEncoder {
  /// The same network, with features normalised before the classifier. Tensors are shared.
  func normalizingFeatures() -> ImageEncoder {
    guard let linear = head as? Linear else { preconditionFailure("the head is no linear classifier") }
    let network = ImageEncoder(backbone, head: NormalizedClassifier(linear))
    return network
  }

  /// The same network with a plain classifier.
  func foldingFeatures() -> ImageEncoder {
    guard let classifier = head as? NormalizedClassifier else { return self }
    let network = ImageEncoder(backbone, head: classifier.folded())
    network.train(false)
    return network
  }
}
