import Torch

/// Views of the same images.
public struct ViewBatch {
  /// N×3×H×W each; two, unless the method uses another number.
  public let views: [Tensor]
  /// The number of each image in the data set, N; empty if it is not needed.
  public let samples: [Int]
  /// The step of the run, and the part of its batch: random draws depend on both.
  public let step: Int
  public let part: Int
  /// How the ranks share the images of a part.
  public let dealing: Dealing
  /// The orders in which keys are encoded (ShuffleBN), one per pass; empty if nothing is shuffled.
  public var shuffles: [KeyShuffle] = []

  public init(
    _ views: [Tensor], samples: [Int] = [], step: Int, part: Int = 0, dealt dealing: Dealing = .consecutive
  ) {
    precondition(!views.isEmpty, "a batch without views")
    (self.views, self.samples, self.step, self.part) = (views, samples, step, part)
    self.dealing = dealing
  }

  /// The number of images *N*.
  public var count: Int { views[0].shape.first ?? 0 }

  /// All views in one batch, the first views of all images first: V·N×3×H×W.
  public var concatenated: Tensor { .concatenated(views) }

  /// All tensors that change from step to step.
  public var tensors: [Tensor] { views + shuffles.flatMap(\.tensors) }

  /// A copy with its own memory.
  public func clone() -> ViewBatch {
    var copy = ViewBatch(
      views.map { $0.clone() }, samples: samples, step: step, part: part, dealt: dealing)
    copy.shuffles = shuffles.map { $0.clone() }
    return copy
  }
}

/// Splits rows in the order of ``ViewBatch/concatenated`` into those of the first and of the second views:
/// 2N×C → N×C each.
func halves(_ x: Tensor) -> (Tensor, Tensor) {
  let n = (x.shape.first ?? 0) / 2
  return (x.narrowed(0..<n), x.narrowed(n..<2 * n))
}
