/// N(0, 2 / fan-out) with fan-out = outputs · receptive field (He et al. 2015): `shape` is D×C×k×k.
func kaimingNormal(_ shape: [Int], using generator: Generator) -> Tensor {
  precondition(shape.count == 4, "a convolution's weight has 4 dimensions, not \(shape)")
  let fanOut = Double(shape[0] * shape[2] * shape[3])
  return .normal(shape, deviation: (2 / fanOut).squareRoot(), using: generator)
}

/// U(±√(6 / (fan-in + fan-out))) (Glorot and Bengio 2010).
public func xavierUniform(_ shape: [Int], fanIn: Int, fanOut: Int, using generator: Generator) -> Tensor {
  let bound = (6 / Double(fanIn + fanOut)).squareRoot()
  return .uniform(shape, low: -bound, high: bound, using: generator)
}
