import Torch
@testable import Methods

/// What a step of MoCo always has.
struct MoCoStep {
  let loss: Tensor
  let logits: Tensor
  let keys: Tensor
  let positives: (queries: Tensor, keys: Tensor)
}

extension MoCo {
  /// A step's forward passes by the method's own momentum.
  func callAsFunction(_ x1: Tensor, _ x2: Tensor, step: Int, shuffles: [KeyShuffle]? = nil) -> MoCoStep {
    begin(momentum: settings.momentum)
    let batch = ViewBatch(x1, x2, step: step)
    let output = shuffles.map { forward(batch, shuffles: $0) } ?? forward(batch)
    guard let logits = output.logits, let keys = output.keys else {
      preconditionFailure("a step of MoCo without logits or keys")
    }
    return MoCoStep(loss: output.loss, logits: logits, keys: keys, positives: output.positives)
  }
}
