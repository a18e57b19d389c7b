import Torch

/// Turns a batch of crops as bytes into the input of a network: colour operations, then normalisation.
///
/// On the CPU a picture goes through all of its operations in one go, elsewhere a batch goes through each; the levels
/// are the same.
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
    guard device == .cpu else { return inBatches(pixels, parameters) }
    let none = [[LevelOperation]](repeating: [], count: pixels.shape[0])
    let operations = parameters.map { $0.map { $0.levelOperations(shape) } } ?? none
    return views(ofPixels: pixels, operations, scale: channels.scale, shift: channels.shift)
      .permuted([0, 3, 1, 2])
  }

  /// By tensor operations on the whole batch, for any device.
  func inBatches(_ pixels: Tensor, _ parameters: [ColorParameters]?) -> Tensor {
    withNoGrad {
      if let parameters, !parameters.isEmpty {
        let x = planes(ofPixels: pixels)
        ColorPlan(parameters, shape).apply(to: x)
        let views = Tensor.uninitialized(pixelShape(parameters.count), on: device)
        views.copy(fromPlanes: x, scale: channels.scale, shift: channels.shift)
        return views.permuted([0, 3, 1, 2])
      }
      let x = pixels.to(.float32)
      x.multiply(by: picture.scale)
      x.add(picture.shift)
      return x.permuted([0, 3, 1, 2])
    }
  }
}

extension ColorParameters {
  /// The operations on one picture.
  fileprivate func levelOperations(_ shape: ViewShape) -> [LevelOperation] {
    operations.compactMap { $0.map { LevelOperation($0, shape) } }
  }
}

extension LevelOperation {
  fileprivate init(_ operation: ColorOperation, _ shape: ViewShape) {
    switch operation {
    case .brightness(let factor): self = .brightness(Float(factor))
    case .contrast(let factor): self = .contrast(Float(factor))
    case .saturation(let factor): self = .saturation(Float(factor))
    case .hue(let turns): self = .hue(by: Float(hueShift(turns: turns)))
    case .grayscale: self = .grayscale
    case .blur(let sigma):
      let across = BandMatrix(blurring: shape.width, sigma: sigma)
      let isSquare = shape.height == shape.width
      self = .blur(across: across, down: isSquare ? across : BandMatrix(blurring: shape.height, sigma: sigma))
    case .solarize: self = .solarize
    }
  }
}
