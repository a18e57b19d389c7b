import Torch

/// A dictionary with one row for every image of the data set: its feature from the last time it was seen (Wu
/// et al. 2018, section 3.2).
public final class MemoryBank: Buffer {
  /// n×C, each row of length 1.
  public var rows: Tensor { tensor }
  /// The number of images in the data set, *n*.
  public var count: Int { rows.shape[0] }

  /// Starts with random directions.
  /// - Parameters:
  ///   - images: *n*, at least 1.
  ///   - dimension: *C*.
  ///   - device: The rows' device: the network's, or the CPU, with room for millions.
  ///   - generator: Draws the initial rows.
  public init(
    images: Int, dimension: Int, dtype: DType = .float32, on device: Device = .cpu,
    using generator: Generator
  ) {
    precondition(images > 0 && dimension > 0, "a bank of \(images) rows of size \(dimension)")
    super.init(l2Normalized(Tensor.normal([images, dimension], using: generator)).to(dtype).to(device))
  }

  /// Image numbers as row indices on the bank's device.
  func indices(_ samples: [Int]) -> Tensor {
    if let wrong = samples.first(where: { !(0..<count).contains($0) }) {
      preconditionFailure("image \(wrong) of a bank of \(count)")
    }
    return Tensor(samples, on: rows.device)
  }

  /// The rows at `indices`, M×C on `device`.
  func rows(_ indices: Tensor, on device: Device) -> Tensor { rows.indexSelected(indices).to(device) }

  /// *K* rows drawn with replacement for one part of a step, the same on every rank.
  func drawn(_ count: Int, seed: UInt64, step: Int, part: Int) -> Tensor {
    var generator = CounterGenerator(seed: seed, .bankRows, step, part)
    return indices((0..<count).map { _ in generator.index(below: self.count) })
  }

  /// *K* rows drawn with replacement for each image, N×K. They depend on the image's number and the step alone, and so
  /// not on how ranks share a batch.
  func drawn(_ count: Int, for samples: [Int], seed: UInt64, step: Int) -> Tensor {
    let rows = samples.flatMap { sample in
      var generator = CounterGenerator(seed: seed, .bankRows, step, sample)
      return (0..<count).map { _ in generator.index(below: self.count) }
    }
    return indices(rows).reshaped([samples.count, count])
  }

  /// The `count` rows with the largest product with each feature of N×C: N×count, in rising order, on the bank's
  /// device.
  func nearest(to features: Tensor, count: Int) -> Tensor {
    let features = features.detached().to(rows.device)
    return withPrecision(.float32, on: rows.device) {
      nearestRows(to: features, in: rows, count: count).indices
    }
  }

  /// The products of each feature with chosen rows: N×C and N×k → N×k, with a graph to the features.
  func products(_ features: Tensor, at indices: Tensor) -> Tensor {
    let here = features.to(rows.device)
    return withPrecision(.float32, on: rows.device) { rowProducts(here, rows, at: indices) }
      .to(features.device)
  }

  /// Updates the rows of all images of a step, from the indices and keys of its parts.
  func update(from parts: [StepOutput]) {
    for case let (indices?, keys?) in parts.map({ ($0.indices, $0.keys) }) { update(indices, with: keys) }
  }

  /// row ← normalise(m·row + (1 − m)·new)
  /// - Parameters:
  ///   - indices: M int64, without repetition.
  ///   - new: M×C, rows of length 1.
  ///   - m: The momentum of a row; ½ in the published code.
  func update(_ indices: Tensor, with new: Tensor, momentum m: Double = 0.5) {
    withNoGrad {
      let moved = rows.indexSelected(indices) * m + new.to(rows.device) * (1 - m)
      rows.indexCopy(indices, with: l2Normalized(moved))
    }
  }
}
