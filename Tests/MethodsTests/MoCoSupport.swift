import Torch
@testable import Methods

/// What a step of MoCo always has.
struct MoCoStep {
  let loss: Tensor
  let logits: Tensor
  let keys: Tensor
  let features: (queries: Tensor, keys: Tensor)
}

extension MoCo {
  /// A step's forward passes, with the shuffles that the method draws unless others are given.
  func callAsFunction(
    _ x1: Tensor, _ x2: Tensor, step: Int, momentum: Double = 0.9, shuffles: [KeyShuffle]? = nil
  ) -> MoCoStep {
    beforeForward(momentum: momentum)
    let output = forward(ViewBatch([x1, x2], step: step), shuffles)
    guard let logits = output.logits, let keys = output.keys, let features = output.features else {
      preconditionFailure("a step of MoCo without logits, keys or features")
    }
    return MoCoStep(loss: output.loss, logits: logits, keys: keys, features: features)
  }
}

extension MomentumEncoder {
  /// θ_k, which no optimizer updates.
  var parametersThatFollow: [Tensor] { state.filter { $0.kind == .fixed }.map(\.tensor) }
}

extension Method {
  /// A forward pass as a training loop makes it: with the shuffles that the method draws unless others are given.
  func forward(_ batch: ViewBatch, _ shuffles: [KeyShuffle]?) -> StepOutput {
    var batch = batch
    batch.shuffles = shuffles ?? self.shuffles(for: batch)
    return forward(batch)
  }
}
