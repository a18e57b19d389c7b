import Torch

// The crops of a whole batch at once, by matrix products: for images of one size that lie on the training device. The
// bytes are those that the decoding threads' resampler makes: whole-number weights, columns first, then rows, each
// pass rounded to 8 bits. Sums stay below 2^53, so float64 holds them exactly on every device.

/// Views of H × W pixels, B×H×W×3 bytes.
///
/// - Parameter pixels: an image for each geometry, B×h×w×3 bytes.
package func crops(of pixels: Tensor, _ geometries: [CropBox], _ shape: ViewShape) -> Tensor {
  let (height, width) = (pixels.shape[1], pixels.shape[2])
  let boxes = geometries.map(\.box)
  let across = resizingWeights(
    starts: boxes.map(\.left), lengths: boxes.map(\.width), isReversed: geometries.map(\.isFlipped),
    from: width, to: shape.width, on: pixels.device)
  let down = resizingWeights(
    starts: boxes.map(\.top), lengths: boxes.map(\.height), isReversed: boxes.map { _ in false },
    from: height, to: shape.height, on: pixels.device)
  let x = pixels.permuted([0, 3, 1, 2]).to(.float64)  // B×3×h×w
  let columns = pass(x.matmul(across.weights.permuted([0, 1, 3, 2])), unit: across.unit)  // B×3×h×W
  return pass(down.weights.matmul(columns), unit: down.unit).to(.uint8).permuted([0, 2, 3, 1])
}

/// A sum of weighted levels as a level.
private func pass(_ sums: Tensor, unit: Tensor) -> Tensor {
  let levels = sums / unit + 0.5
  levels.roundDown()
  levels.clamp(0, 255)
  return levels
}

/// The weights of an antialiased bilinear resize along one axis: a triangle as wide as the scale, at least 2 pixels,
/// cut off at the crop's ends, as whole numbers of as many bits as fit 15 for the largest weight.
///
/// - Returns: B×1×S×L weights, and what they count as one, B×1×1×1.
private func resizingWeights(
  starts: [Int], lengths: [Int], isReversed: [Bool], from length: Int, to size: Int, on device: Device
) -> (weights: Tensor, unit: Tensor) {
  func each(_ values: [Double]) -> Tensor { Tensor(values, shape: [values.count, 1, 1], on: device) }
  let scale = each(lengths.map { Double($0) / Double(size) })
  let inverse = each(lengths.map { 1 / max(1, Double($0) / Double(size)) })
  let last = Double(size - 1)
  let row = Tensor.arange(size, dtype: .float64, on: device).reshaped([1, size, 1])
  let rows = row * each(isReversed.map { $0 ? -1 : 1 }) + each(isReversed.map { $0 ? last : 0 })
  let center = (rows + 0.5) * scale  // B×S×1
  let column = Tensor.arange(length, dtype: .float64, on: device).reshaped([1, 1, length])
  let place = column - each(starts.map(Double.init))  // B×1×L, in the crop

  let triangle = 1 - ((place - center + 0.5) * inverse).abs()  // B×S×L
  triangle.clamp(0, 1)
  // 1 inside the crop, 0 outside.
  let inside = (place + 1).clamped(0, 1) * (each(lengths.map(Double.init)) - place).clamped(0, 1)
  triangle.multiply(by: inside)
  let weights = triangle / triangle.sum(dim: 2, keepDim: true)

  // 2^bits with the most bits, 22 at most, for which the largest weight stays below 2^15 − ½.
  let largest = weights.max(dim: 2, keepDim: true).max(dim: 1, keepDim: true)
  let ratio = (largest * (1 / (32768 - 0.5))).log() * (-1 / 0.693_147_180_559_945_3)
  let bits = (0 - ratio).floor() * -1 - 1  // ⌈ratio⌉ − 1
  bits.clamp(0, 22)
  let unit = (bits * 0.693_147_180_559_945_3).exp().rounded()
  let whole = weights * unit + 0.5
  whole.roundDown()
  let count = starts.count
  return (whole.reshaped([count, 1, size, length]), unit.reshaped([count, 1, 1, 1]))
}
