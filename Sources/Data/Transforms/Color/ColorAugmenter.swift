import Torch

/// Turns a batch of crops as bytes into the input of a network: colour operations, then normalisation.
///
/// The same tensor operations run on every device. On the CPU a few samples at a time go through all of them, so
/// that they stay in the cache.
package final class ColorAugmenter {
  package let shape: ViewShape
  package let device: Device
  /// (x / 255 − mean) / std = x · scale + shift, a number a channel.
  private let channels: (scale: Tensor, shift: Tensor)
  /// The same for N×H×W×3, a number a value: three in a row would be multiplied one by one.
  private let picture: (scale: Tensor, shift: Tensor)

  /// - Parameters:
  ///   - shape: Of the crops.
  ///   - normalization: Of the network.
  ///   - device: Where the result is wanted.
  package init(_ shape: ViewShape, normalization: Normalization, device: Device) {
    self.shape = shape
    self.device = device
    let std = normalization.std
    let scale = Tensor(std.map { Float(1 / (255 * $0)) }, on: device)
    let shift = Tensor(zip(normalization.mean, std).map { Float(-$0 / $1) }, on: device)
    channels = (scale, shift)
    let values = [shape.height, shape.width, ViewShape.channels]
    picture = (scale.expanded(values).contiguous(), shift.expanded(values).contiguous())
  }

  /// - Parameters:
  ///   - bytes: N×H×W×3.
  ///   - parameters: one of each of the N samples; nil leaves the colours as they are.
  ///   - asynchronously: Whether it may return before the bytes have been read; they then stay until the device has done
  ///     its work.
  /// - Returns: N×3×H×W float32, channels last in memory, on ``device``.
  package func callAsFunction(
    _ bytes: UnsafeRawBufferPointer, _ parameters: [ColorParameters]? = nil, asynchronously: Bool = false
  ) -> Tensor {
    let count = bytes.count / shape.bytes
    precondition(
      bytes.count == count * shape.bytes, "\(bytes.count) bytes are no whole number of \(shape.bytes)")
    precondition(
      parameters.map { $0.count == count } ?? true,
      "\(parameters?.count ?? 0) parameters for \(count) samples")
    // Only read; what is returned is another tensor.
    let bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
    return Tensor.withBorrowed(bytes, dtype: .uint8, shape: pixelShape(count)) {
      self($0.to(device, asynchronously: asynchronously), parameters)
    }
  }

  private func pixelShape(_ count: Int) -> [Int] { [count, shape.height, shape.width, ViewShape.channels] }

  /// The same for pixels on ``device``, N×H×W×3 bytes.
  func callAsFunction(_ pixels: Tensor, _ parameters: [ColorParameters]? = nil) -> Tensor {
    withNoGrad {
      if let parameters, !parameters.isEmpty { return augmented(pixels, parameters) }
      let x = pixels.to(.float32)
      x.multiply(by: picture.scale)
      x.add(picture.shift)
      return x.permuted([0, 3, 1, 2])
    }
  }

  /// On the CPU as many samples go together as fit the cache, like with like, since what all of a group need is done
  /// without gathering.
  private func augmented(_ pixels: Tensor, _ parameters: [ColorParameters]) -> Tensor {
    let count = parameters.count
    let together = device == .cpu ? max(1, 100_000 / shape.pixels) : count
    let order = together == 1 || together >= count ? Array(0..<count) : parameters.orderedByKind()
    let places = Tensor(order, on: device)
    let views = Tensor.uninitialized(pixelShape(count), on: device)
    for start in stride(from: 0, to: count, by: together) {
      let group = start..<min(start + together, count)
      let x = planes(
        ofPixels: together == 1 ? pixels.narrowed(group) : pixels.indexSelected(places.narrowed(group)))
      ColorPlan(order[group].map { parameters[$0] }, shape).apply(to: x)
      views.narrowed(group).copy(fromPlanes: x, scale: channels.scale, shift: channels.shift)
    }
    let isSorted = zip(order, order.dropFirst()).allSatisfy(<)
    let inOrder = isSorted ? views : views.indexSelected(Tensor(order.inverse(), on: device))
    return inOrder.permuted([0, 3, 1, 2])
  }
}

extension [ColorParameters] {
  /// The samples' numbers, like next to like.
  fileprivate func orderedByKind() -> [Int] {
    let kinds = map { $0.operations.map { $0.map { $0.kind.rawValue + 1 } ?? 0 } }
    return indices.sorted { a, b in
      kinds[a] == kinds[b] ? a < b : kinds[a].lexicographicallyPrecedes(kinds[b])
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
