import Torch

// The class token's share in the attention, for people to look at.

extension VisionTransformer {
  /// How much the class token attends to every token in the last block: N×3×H×W → N×heads×(1+L), in each head
  /// softmax(q·kᵀ/√D) of the token's own query (Vaswani et al. 2017, equation 1; Caron et al. 2021 show it as a
  /// picture).
  ///
  /// A row sums to 1: first the class token, then the patches row by row of the image. The token has its attention
  /// whether or not the features are made of it; see ``pooling``.
  public func classAttention(_ images: Tensor) -> Tensor {
    let last = blocks[stageCount - 1]
    return last.attn.weightsOfFirst(last.norm1(tokens(images, stage: stageCount - 1)))
  }
}

extension SelfAttention {
  /// The weights that the first place gives to all places: N×L×C → N×heads×L. The kernel of `attention` keeps no
  /// weights.
  func weightsOfFirst(_ x: Tensor) -> Tensor {
    let parts = queriesKeysValues(x)  // 3×N×heads×L×D
    guard parts.rank == 5 else { return parts }  // undefined after an error, which withTorchErrors reports
    let q = parts.selected(0).narrowed(0..<1, dim: 2)  // N×heads×1×D
    let k = parts.selected(1)  // N×heads×L×D
    let scores = q.matmul(k.transposed) / Double(k.shape[3]).squareRoot()  // N×heads×1×L
    return softmax(scores, dim: 3).selected(0, dim: 2)
  }
}
