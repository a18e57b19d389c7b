import Torch

/// u(salt, i) in [−1, 1): the formula by which the fixtures' scripts make weights and inputs.
public func formula(salt: Int, shape: [Int]) -> Tensor {
  let count = shape.reduce(1, *)
  let values = [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
    var i = 0
    while i < count {  // not a range: tests are built without optimisation, and a ResNet-50 has 25 million
      var z = UInt64(salt) << 32 &+ UInt64(i) &+ 0x9E37_79B9_7F4A_7C15
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      z ^= z >> 31
      buffer[i] = Double(z >> 40) / 0x1p23 - 1
      i += 1
    }
    initialized = count
  }
  return Tensor(values, shape: shape)
}
