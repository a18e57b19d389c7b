import Torch

/// Assigns to each box the ground truth that it overlaps most, and a label by how much (Ren et al. 2015, section 3.1.2).
public struct Matcher: Sendable, Equatable {
  public let thresholds: [Double]
  /// Of the intervals between the thresholds, one more than these: 0 background, −1 ignored, 1 object.
  public let labels: [Int]
  /// Whether the boxes that overlap a ground truth as much as any box does are objects too, whatever their IoU. A
  /// ground truth that touches no box then makes objects of all boxes that do not touch it.
  public let allowsLowQuality: Bool

  public init(thresholds: [Double], labels: [Int], allowsLowQuality: Bool) {
    precondition(
      labels.count == thresholds.count + 1 && thresholds == thresholds.sorted(),
      "\(thresholds.count) thresholds \(thresholds) for \(labels.count) labels")
    (self.thresholds, self.labels, self.allowsLowQuality) = (thresholds, labels, allowsLowQuality)
  }

  /// - Parameter quality: M×N, the IoU of ground truth and box. An IoU equal to a threshold lies above it.
  /// - Returns: of each box, the index of the ground truth, the first of equals, and the label: N int64 each. Without
  ///   ground truth 0 and the first label.
  public func callAsFunction(_ quality: Tensor) -> (matches: Tensor, labels: Tensor) {
    let shape = quality.isDefined ? quality.shape : [0, 0]
    func label(_ value: Int) -> Tensor { .full(Double(value), [], dtype: .int64, on: quality.device) }
    func all(_ value: Int) -> Tensor { .full(Double(value), [shape[1]], dtype: .int64, on: quality.device) }
    guard shape[0] > 0 else { return (all(0), all(labels[0])) }
    let best = quality.max(dim: 0)  // N
    let matches = quality.argMax(dim: 0)  // N
    var result = all(labels[0])
    for (threshold, value) in zip(thresholds, labels.dropFirst()) {
      result = Tensor.where(best .>= threshold, label(value), result)
    }
    guard allowsLowQuality else { return (matches, result) }
    // Of each ground truth, the boxes that reach its best IoU exactly, ties too.
    let claimed = (quality .== quality.max(dim: 1, keepDim: true)).max(dim: 0)  // N bool
    return (matches, Tensor.where(claimed, label(1), result))
  }
}
