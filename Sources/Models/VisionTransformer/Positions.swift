import Torch

// Position embeddings of images of another size.

extension VisionTransformer {
  /// The sides, in patches, of two square grids of positions; nil where the tensor is no position embedding or the
  /// shapes are not those of 1 + side² positions with as many channels.
  package static func sides(of name: String, from old: [Int], to new: [Int]) -> (from: Int, to: Int)? {
    guard name == "pos_embed", old.count == 3, new.count == 3, old[0] == 1, old[2] == new[2],
      let from = side(ofPositions: old), let to = side(ofPositions: new)
    else { return nil }
    return (from, to)
  }

  /// Positions for a grid of another size, interpolated by their place in the image (Dosovitskiy et al. 2021, section
  /// 3.2), bilinearly and antialiased: 1×(1+side²)×C → 1×(1+`side`²)×C. The class token's stays.
  package static func resized(positions: Tensor, to side: Int) -> Tensor {
    let shape = positions.shape
    guard shape.count == 3 else { return positions }  // undefined after an error
    let (count, width) = (shape[1], shape[2])
    let old = Int(Double(count - 1).squareRoot().rounded())
    precondition(old * old == count - 1, "\(count - 1) positions are no square")
    let grid = positions.narrowed(1..<count, dim: 1).to(.float32).reshaped([1, old, old, width])
    let resized = resizedBilinear(grid.permuted([0, 3, 1, 2]).contiguous(), height: side, width: side)
    let rows = resized.permuted([0, 2, 3, 1]).reshaped([1, side * side, width])
    return .concatenated([positions.narrowed(0..<1, dim: 1).to(.float32), rows], dim: 1)
  }
}
