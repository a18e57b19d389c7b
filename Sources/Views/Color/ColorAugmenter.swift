import Torch

/// Turns a batch of cropped bytes into the tensor a network sees: colour operations, then normalisation.
///
/// The same tensor operations run on every device. On the CPU a few samples at a time go through all of them, so
/// that they stay in the cache.
public final class ColorAugmenter {
  public let imageSize: Int
  public let device: Device
  private let scale: Tensor
  private let shift: Tensor

  public init(imageSize: Int, normalization: Normalization, device: Device) {
    self.imageSize = imageSize
    self.device = device
    // (x / 255 − mean) / std = x · scale + shift.
    let std = normalization.std
    scale = Tensor(std.map { Float(1 / (255 * $0)) }, shape: [1, 3, 1, 1], on: device)
    shift = Tensor(
      zip(normalization.mean, std).map { Float(-$0 / $1) }, shape: [1, 3, 1, 1], on: device)
  }

  /// - Parameters:
  ///   - bytes: N×S×S×3.
  ///   - parameters: one of each of the N samples; nil leaves the colours as they are.
  /// - Returns: N×3×S×S float32, channels last in memory, on ``device``.
  public func callAsFunction(
    _ bytes: UnsafeRawBufferPointer, _ parameters: [ColorParameters]? = nil
  ) -> Tensor {
    let sample = imageSize * imageSize * 3
    let count = bytes.count / sample
    precondition(bytes.count == count * sample, "\(bytes.count) bytes are no whole number of \(sample)")
    precondition(
      parameters.map { $0.count == count } ?? true,
      "\(parameters?.count ?? 0) parameters for \(count) samples")
    return withNoGrad {
      let pixels = Tensor(copying: bytes, dtype: .uint8, shape: [count, imageSize, imageSize, 3]).to(device)
      guard let parameters else { return normalized(pixels.permuted([0, 3, 1, 2]).to(.float32)) }
      return augmented(pixels, parameters)
    }
  }

  /// Samples with the same operations in the same order go together, since a group of one kind needs no gathering.
  private func augmented(_ pixels: Tensor, _ parameters: [ColorParameters]) -> Tensor {
    let count = parameters.count
    let together = device == .cpu ? max(1, 50_000 / (imageSize * imageSize)) : count
    let order = together == 1 ? Array(0..<count) : parameters.orderedByKind()
    let views = Tensor.zeros([count, imageSize, imageSize, 3], on: device)
    let places = Tensor(order, on: device)
    for start in stride(from: 0, to: count, by: together) {
      let chunk = start..<min(start + together, count)
      let x = pixels.gathered(places.narrowed(chunk)).permuted([0, 3, 1, 2]).contiguous().to(.float32)
      ColorPlan(order[chunk].map { parameters[$0] }, imageSize: imageSize).apply(to: x)
      views.narrowed(chunk).copy(from: normalized(x).permuted([0, 2, 3, 1]))
    }
    let restored = together == 1 ? views : views.gathered(Tensor(order.inverse(), on: device))
    return restored.permuted([0, 3, 1, 2])
  }

  private func normalized(_ x: Tensor) -> Tensor {
    x.multiply(by: scale)
    x.add(shift)
    return x
  }
}

extension [ColorParameters] {
  /// The samples' numbers, like next to like.
  fileprivate func orderedByKind() -> [Int] {
    let keys = map { $0.operations.map { $0.map { $0.kind.rawValue + 1 } ?? 0 } }
    return indices.sorted { a, b in
      keys[a] == keys[b] ? a < b : keys[a].lexicographicallyPrecedes(keys[b])
    }
  }
}

extension [Int] {
  /// Where each of 0..<count stands in this permutation.
  fileprivate func inverse() -> [Int] {
    var places = self
    for (place, value) in enumerated() { places[value] = place }
    return places
  }
}
