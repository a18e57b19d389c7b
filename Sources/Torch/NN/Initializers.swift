/// N(0, 2 / fan-out) with fan-out = outputs · receptive field (He et al. 2015): `shape` is D×C×k×k.
func kaimingNormal(_ shape: [Int], using generator: Generator) -> Tensor {
  precondition(shape.count == 4, "a convolution's weight has 4 dimensions, not \(shape)")
  let fanOut = Double(shape[0] * shape[2] * shape[3])
  return .normal(shape, deviation: (2 / fanOut).squareRoot(), using: generator)
}
