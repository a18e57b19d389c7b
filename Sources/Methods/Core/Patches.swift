import Torch

/// The upper left corner of a square in an image, in pixels.
struct Corner: Equatable {
  let y: Int
  let x: Int
}

/// Cuts squares out of images on their device: for tasks on parts of an image.
/// - Parameters:
///   - x: N×3×H×W.
///   - corners: The corners of T squares for every image.
///   - side: S, the side of a square in pixels.
/// - Returns: N·T×3×S×S, an image's squares one after the other.
func extractPatches(_ x: Tensor, at corners: [[Corner]], side: Int) -> Tensor {
  x.expect([corners.count, nil, nil, nil], "images to cut squares out of")
  guard x.isDefined else { return x }
  let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
  let starts = corners.enumerated().flatMap { image, squares in
    squares.map { corner in
      precondition(
        corner.y >= 0 && corner.x >= 0 && corner.y + side <= height && corner.x + side <= width,
        "a square of \(side) at \(corner) of an image of \(height)×\(width)")
      return (image * height + corner.y) * width + corner.x
    }
  }
  let inside = (0..<side).flatMap { y in (0..<side).map { y * width + $0 } }
  let index =
    Tensor(starts, shape: [starts.count, 1], on: x.device)
    + Tensor(inside, shape: [1, inside.count], on: x.device)  // N·T×S·S
  let pixels = x.permuted([0, 2, 3, 1]).reshaped([-1, channels])  // N·H·W×3
  return pixels.indexSelected(index.reshaped([-1])).reshaped([starts.count, side, side, channels])
    .permuted([0, 3, 1, 2])
}
