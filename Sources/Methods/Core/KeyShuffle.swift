import Torch

/// A permutation of a batch and its inverse (ShuffleBN; He et al. 2020, section 3.3).
///
/// Keys are encoded in another order than queries, so that a query and its key are normalised in different
/// groups, and batch statistics cannot tell which belong together.
public struct KeyShuffle {
  let order: Tensor
  let inverse: Tensor

  /// - Parameters:
  ///   - device: Where the batches are.
  ///   - permutation: sample `permutation[i]` is encoded in place i.
  public init(_ permutation: [Int], on device: Device = .cpu) {
    var inverse = [Int](repeating: -1, count: permutation.count)
    for (place, sample) in permutation.enumerated() {
      precondition(
        inverse.indices.contains(sample) && inverse[sample] < 0,
        "\(permutation) is no permutation of 0 ..< \(permutation.count)")
      inverse[sample] = place
    }
    order = Tensor(permutation, on: device)
    self.inverse = Tensor(inverse, on: device)
  }

  /// Takes over what ``tensors`` gave.
  init(_ tensors: ArraySlice<Tensor>) {
    precondition(tensors.count == 2, "\(tensors.count) tensors for a permutation and its inverse")
    (order, inverse) = (tensors[tensors.startIndex], tensors[tensors.startIndex + 1])
  }

  var tensors: [Tensor] { [order, inverse] }

  /// The permutation of a batch drawn for one pass of one training step.
  public static func drawn(seed: UInt64, step: Int, pass: Int, count: Int, on device: Device) -> KeyShuffle {
    var generator = CounterGenerator(seed: seed, .keyShuffle, step, pass)
    return KeyShuffle(generator.permutation(count), on: device)
  }

  /// ShuffleBN: a key is encoded beside other images than its query, on another rank or in another group.
  /// - Parameters:
  ///   - x: this rank's images, N×3×H×W.
  ///   - ranks: whose W·N images are shuffled together.
  ///   - encode: N×3×H×W → N×C.
  /// - Returns: what waits for the keys of all ranks, in their images' order, W·N×C.
  func encoded(_ x: Tensor, over ranks: ProcessGroup, by encode: (Tensor) -> Tensor) -> () -> Tensor {
    let mixed = ranks.own(shuffled(ranks.allGathered(x)))  // N×3×H×W
    let keys = ranks.gathering(encode(mixed))
    return { restored(keys()) }
  }

  public func shuffled(_ x: Tensor) -> Tensor { x.gathered(order) }
  public func restored(_ x: Tensor) -> Tensor { x.gathered(inverse) }
}
