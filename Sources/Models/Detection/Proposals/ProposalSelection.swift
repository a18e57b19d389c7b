import Torch

/// Boxes of an image that may hold an object, by falling logit.
public struct Proposals {
  public let boxes: Tensor  // K×4
  public let logits: Tensor  // K

  public init(boxes: Tensor, logits: Tensor) { (self.boxes, self.logits) = (boxes, logits) }

  static var none: Proposals { Proposals(boxes: .zeros([0, 4]), logits: .zeros([0])) }
}

/// Boxes or logits of a network in training that are infinite or no numbers: the run has diverged.
public struct NotFinite: Error, CustomStringConvertible {
  public var description: String {
    "the region proposal network's outputs are not finite: training has diverged. A smaller learning rate, a longer "
      + "warm-up, or float32 in place of bfloat16 may help."
  }
}

/// The RPN's choice among its boxes: the best of each level, cut off at the image's edges, those without area left out,
/// non-maximum suppression a level, and the best of all levels.
struct ProposalSelection {
  let preNMSTopK: Int
  let postNMSTopK: Int
  let nmsThreshold: Double
  let minBoxSize: Double
  let isTraining: Bool

  init(_ spec: DetectorSpec.RPN, isTraining: Bool) {
    preNMSTopK = isTraining ? spec.preNMSTopK.training : spec.preNMSTopK.test
    postNMSTopK = isTraining ? spec.postNMSTopK.training : spec.postNMSTopK.test
    (nmsThreshold, minBoxSize) = (spec.nmsThreshold, spec.minBoxSize)
    self.isTraining = isTraining
  }

  /// The largest logits of a level, N×n → N×k each, and their places.
  func best(_ logits: Tensor) -> (logits: Tensor, places: Tensor) {
    let (values, indices) = logits.topK(min(preNMSTopK, logits.shape[1]), dim: 1)
    return (values, indices)
  }

  /// - Parameters:
  ///   - boxes: the best of each level, N×k×4.
  ///   - logits: N×k.
  ///   - images: sizes without padding.
  /// - Throws: ``NotFinite`` in training; otherwise such boxes are left out.
  func callAsFunction(boxes: [Tensor], logits: [Tensor], images: [Size2D]) throws -> [Proposals] {
    let (allBoxes, allLogits) = (Tensor.concatenated(boxes, dim: 1), Tensor.concatenated(logits, dim: 1))
    guard allBoxes.isDefined, allLogits.isDefined else { return images.map { _ in .none } }
    if isTraining, !allBoxes.isAllFinite() || !allLogits.isAllFinite() { throw NotFinite() }
    let levels = Tensor(
      logits.enumerated().flatMap { level, logits in Array(repeating: level, count: logits.shape[1]) },
      on: allLogits.device)
    return images.enumerated().map { index, image in
      chosen(allBoxes.selected(index), allLogits.selected(index), levels: levels, image)
    }
  }

  private func chosen(_ boxes: Tensor, _ logits: Tensor, levels: Tensor, _ image: Size2D) -> Proposals {
    let cut = boxes.clipped(to: image)  // K×4
    var isValid = cut.isNonempty(threshold: minBoxSize)
    if !isTraining { isValid = isValid .& boxes.isFinite().min(dim: 1) .& logits.isFinite() }
    let valid = isValid.nonzero().reshaped([-1])
    let (candidates, scores) = (cut.indexSelected(valid), logits.indexSelected(valid))
    let kept = batchedNMS(
      candidates, scores: scores, classes: levels.indexSelected(valid), threshold: nmsThreshold)
    guard kept.isDefined else { return Proposals(boxes: kept, logits: kept) }
    let best = kept.narrowed(0..<min(postNMSTopK, kept.shape[0]))
    return Proposals(boxes: candidates.indexSelected(best), logits: scores.indexSelected(best))
  }
}
