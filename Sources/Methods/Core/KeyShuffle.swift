import Torch

/// A permutation of a batch and its inverse (ShuffleBN; He et al. 2020, section 3.3).
///
/// Keys are encoded in a different order than queries, so that a query and its key are normalised in
/// different groups, and batch statistics cannot show which belong together.
public struct KeyShuffle {
  let order: Tensor
  let inverse: Tensor

  /// - Parameters:
  ///   - device: The batches' device.
  ///   - permutation: Sample `permutation[i]` is encoded at position i.
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

  private init(order: Tensor, inverse: Tensor) { (self.order, self.inverse) = (order, inverse) }

  var tensors: [Tensor] { [order, inverse] }
  func clone() -> KeyShuffle { KeyShuffle(order: order.clone(), inverse: inverse.clone()) }

  /// The permutation for one pass of one training step: the same for one device and for any number of ranks.
  /// - Parameters:
  ///   - count: The number of all ranks' images in the pass.
  ///   - ranks: The number of ranks; the permutation is of their rows, one rank's after the other's.
  ///   - dealing: How they share the images.
  public static func drawn(
    seed: UInt64, step: Int, pass: Int, count: Int, ranks: Int = 1, dealt dealing: Dealing = .consecutive,
    on device: Device
  ) -> KeyShuffle {
    var generator = CounterGenerator(seed: seed, .keyShuffle, step, pass)
    let permutation = generator.permutation(count)
    guard ranks > 1, dealing != .consecutive else { return KeyShuffle(permutation, on: device) }
    let places = dealing.places(of: count, ranks: ranks)
    var dealt = permutation
    for (position, sample) in permutation.enumerated() { dealt[places[position]] = places[sample] }
    return KeyShuffle(dealt, on: device)
  }

  /// A shuffle for each pass of a part of a batch. It has an effect only if several groups are normalised separately.
  static func drawn(for batch: ViewBatch, passes: Int = 1, seed: UInt64, ranks: ProcessGroup) -> [KeyShuffle]
  {
    (0..<passes).map {
      drawn(
        seed: seed, step: batch.step, pass: batch.part * passes + $0, count: batch.count * ranks.rank.count,
        ranks: ranks.rank.count, dealt: batch.dealing, on: batch.views[0].device)
    }
  }

  /// This rank's share of all ranks' images in the shuffled order: a key is encoded with other images than
  /// its query, on another rank or in another group. N×3×H×W → N×3×H×W.
  func mixed(_ x: Tensor, over ranks: ProcessGroup) -> Tensor {
    ranks.allGather(x).indexSelected(ranks.localShard(order))
  }

  /// The way back: this rank's rows of what all ranks made of their shares. W·N×… → N×….
  func unmixed(_ all: Tensor, over ranks: ProcessGroup) -> Tensor {
    all.indexSelected(ranks.localShard(inverse))
  }

  public func shuffled(_ x: Tensor) -> Tensor { x.indexSelected(order) }
  public func restored(_ x: Tensor) -> Tensor { x.indexSelected(inverse) }
}
