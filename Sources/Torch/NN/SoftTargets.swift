/// The mean over the batch of −Σ target · log softmax(logits): N×C and N×C → scalar (timm's `SoftTargetCrossEntropy`).
public func softTargetCrossEntropy(_ logits: Tensor, _ targets: Tensor) -> Tensor {
  let likelihoods = logSoftmax(logits, dim: 1)  // N×C
  return -(likelihoods * targets.to(likelihoods.dtype)).sum(dim: 1).mean()
}
