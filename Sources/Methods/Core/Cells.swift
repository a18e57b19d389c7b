import Torch

/// The cells of maps, row by row: N×C×h×w → N×h·w×C.
func cells(of map: Tensor) -> Tensor {
  let shape = map.shape
  guard shape.count == 4 else { return map }  // after an error
  return map.permuted([0, 2, 3, 1]).reshaped([shape[0], shape[2] * shape[3], shape[1]])
}
