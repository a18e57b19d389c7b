import Images

extension RGBImage {
  /// The picture as evaluation sees it, `size`×`size`: the short side resized to 256/224 of `size`, then the centre.
  public func evaluationView(size: Int) throws -> RGBImage {
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    try pixels.withUnsafeMutableBytes { try writeForEvaluation(size: size, to: $0) }
    return RGBImage(width: size, height: size, pixels: pixels)
  }
}
