import Images

extension RGBImage {
  /// The picture as evaluation sees it, `size`×`size`: the short side resized to 256/224 of `size`, then the centre.
  public func evaluationView(size: Int) throws -> RGBImage {
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    try pixels.withUnsafeMutableBytes { out in
      try withPixels { try $0.writeForEvaluation(size: size, to: out, using: ViewScratch()) }
    }
    return RGBImage(width: size, height: size, pixels: pixels)
  }
}
