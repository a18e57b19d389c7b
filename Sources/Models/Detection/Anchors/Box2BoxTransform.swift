import Foundation
import Torch

/// How one box becomes another: the move of the centre in sizes of the first, and the logarithm of the growth, times four
/// weights (Girshick et al. 2014, appendix C). Boxes are x0, y0, x1, y1.
public struct Box2BoxTransform: Sendable, Equatable {
  /// Of dx, dy, dw, dh.
  public let weights: [Double]
  /// The largest dw and dh that ``decode(_:of:)`` takes, after the weight: 1000 pixels from 16.
  public static let scaleClamp = log(1000.0 / 16)

  public init(weights: [Double] = [1, 1, 1, 1]) {
    precondition(weights.count == 4, "four weights, not \(weights)")
    self.weights = weights
  }

  /// Centres and sizes: N×4 → N each.
  private static func parts(_ boxes: Tensor) -> (x: Tensor, y: Tensor, width: Tensor, height: Tensor) {
    let corners = (0..<4).map { boxes.selected($0, dim: 1) }
    let (width, height) = (corners[2] - corners[0], corners[3] - corners[1])
    return (corners[0] + width * 0.5, corners[1] + height * 0.5, width, height)
  }

  /// The deltas that move the boxes `source` onto `target`: N×4 and N×4 → N×4.
  public func encode(_ target: Tensor, of source: Tensor) -> Tensor {
    let (from, to) = (Self.parts(source), Self.parts(target))
    return Tensor.stacked(
      [
        (to.x - from.x) / from.width * weights[0], (to.y - from.y) / from.height * weights[1],
        (to.width / from.width).log() * weights[2], (to.height / from.height).log() * weights[3],
      ], dim: 1)
  }

  /// The boxes that deltas make of `boxes`: N×4k and N×4 → N×4k.
  public func decode(_ deltas: Tensor, of boxes: Tensor) -> Tensor {
    guard deltas.isDefined, boxes.isDefined else { return deltas }
    let shape = deltas.shape
    let many = deltas.reshaped([shape[0], shape[1] / 4, 4])  // N×k×4
    let from = Self.parts(boxes)
    func column(_ x: Tensor) -> Tensor { x.reshaped([shape[0], 1]) }  // N×1
    func size(_ index: Int, _ old: Tensor) -> Tensor {
      (many.selected(index, dim: 2) / weights[index]).clamped(-.infinity, Self.scaleClamp).exp() * column(old)
    }
    let x = many.selected(0, dim: 2) / weights[0] * column(from.width) + column(from.x)  // N×k
    let y = many.selected(1, dim: 2) / weights[1] * column(from.height) + column(from.y)
    let (halfWidth, halfHeight) = (size(2, from.width) * 0.5, size(3, from.height) * 0.5)
    return Tensor.stacked([x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], dim: 2)
      .reshaped(shape)
  }
}

extension Tensor {
  /// Boxes …×4 cut off at the edges of an image.
  func clipped(to image: Size2D) -> Tensor {
    let limits = Tensor([image.width, image.height, image.width, image.height].map(Double.init), shape: [4])
      .to(dtype).to(device)
    return minimum(clamped(0, .infinity), limits)
  }

  /// Whether both sides of boxes N×4 are longer than `threshold` pixels: N bool.
  func isNonempty(threshold: Double = 0) -> Tensor {
    let sides = narrowed(2..<4, dim: 1) - narrowed(0..<2, dim: 1)  // N×2
    return sides.min(dim: 1) .> threshold
  }
}
