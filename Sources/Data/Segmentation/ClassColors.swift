/// Colours of classes in pictures.
package enum ClassColors {
  /// The palette of VOC's masks: the bits of a number, the lowest first, go in turns to the highest free bits of red, green
  /// and blue. 0 is black and 255 a light sand.
  package static let voc: [SIMD3<UInt8>] = (0..<256).map { number in
    var color = SIMD3<UInt8>(0, 0, 0)
    for bit in 0..<8 { color[bit % 3] |= UInt8(number >> bit & 1) << UInt8(7 - bit / 3) }
    return color
  }
}
