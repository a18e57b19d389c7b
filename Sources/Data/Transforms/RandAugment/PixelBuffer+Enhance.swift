// Blends of a picture with a degenerate one: Pillow's `ImageEnhance`.

extension PixelBuffer {
  /// A blend with the gray picture.
  func adjustColor(_ factor: Double) {
    let blend = LevelBlend(factor)
    for pixel in 0..<pixels {
      let gray = luma(pixel)
      for place in 3 * pixel..<3 * pixel + 3 { bytes[place] = blend(gray, bytes[place]) }
    }
  }

  /// A blend with the mean luma, rounded to a level.
  func adjustContrast(_ factor: Double) {
    let sum = (0..<pixels).reduce(0) { $0 + Int(luma($1)) }
    let mean = UInt8(Int(Double(sum) / Double(pixels) + 0.5))
    let blend = LevelBlend(factor)
    map { blend(mean, $0) }
  }

  /// A blend with black.
  func adjustBrightness(_ factor: Double) {
    let blend = LevelBlend(factor)
    map { blend(0, $0) }
  }

  /// A blend with the picture that Pillow's filter `SMOOTH` gives: a pixel counts five times, its eight neighbours once;
  /// pixels at the border stay.
  func adjustSharpness(_ factor: Double) {
    guard height > 2, width > 2 else { return }
    let blend = LevelBlend(factor)
    let source = [UInt8](bytes)
    let row = 3 * width
    source.withUnsafeBufferPointer { source in
      for y in 1..<height - 1 {
        for place in y * row + 3..<(y + 1) * row - 3 {
          var sum = 4 * Int(source[place])
          for center in [place - row, place, place + row] {
            sum += Int(source[center - 3]) + Int(source[center]) + Int(source[center + 3])
          }
          // A sum of whole levels over 13 has no ties.
          bytes[place] = blend(UInt8((2 * sum + 13) / 26), source[place])
        }
      }
    }
  }

  /// ITU-R 601-2 in 16 bits, rounded.
  private func luma(_ pixel: Int) -> UInt8 {
    let (red, green, blue) = (
      Int(bytes[3 * pixel]), Int(bytes[3 * pixel + 1]), Int(bytes[3 * pixel + 2])
    )
    return UInt8((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16)
  }
}

/// degenerate + factor · (level − degenerate) in float32, clipped and cut to a level.
private struct LevelBlend {
  private let factor: Float

  init(_ factor: Double) { self.factor = Float(factor) }

  func callAsFunction(_ degenerate: UInt8, _ level: UInt8) -> UInt8 {
    let blended = Float(degenerate) + factor * Float(Int(level) - Int(degenerate))
    return UInt8(min(max(blended, 0), 255))
  }
}
