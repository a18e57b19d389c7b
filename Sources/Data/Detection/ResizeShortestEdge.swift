import Torch

/// Scales an image until its short side has a length, or less where the long side would pass a limit.
public struct ResizeShortestEdge: Sendable, Equatable, Codable {
  /// One is drawn for each image, each as likely.
  public let shortSides: [Int]
  public let maxSide: Int

  /// Traps unless all sides are at least 1 and there is a short one.
  public init(shortSides: [Int], maxSide: Int) {
    precondition(
      !shortSides.isEmpty && shortSides.allSatisfy { $0 > 0 } && maxSide > 0,
      "short sides \(shortSides), long side at most \(maxSide)")
    (self.shortSides, self.maxSide) = (shortSides, maxSide)
  }

  /// The size of an image of `height` × `width` pixels, sides rounded to the nearest, halves up.
  public func size(height: Int, width: Int, shortSide: Int) -> (height: Int, width: Int) {
    let scale = Double(shortSide) / Double(min(height, width))
    var (h, w) =
      height < width
      ? (Double(shortSide), scale * Double(width)) : (scale * Double(height), Double(shortSide))
    let long = max(h, w)
    if long > Double(maxSide) {
      let shrink = Double(maxSide) / long
      (h, w) = (h * shrink, w * shrink)
    }
    return (max(1, Int(h + 0.5)), max(1, Int(w + 0.5)))
  }

  /// The draws of one image: its short side and whether it is mirrored.
  func draw(flip: Double, using generator: inout CounterGenerator) -> (shortSide: Int, isFlipped: Bool) {
    let shortSide = shortSides[generator.index(below: shortSides.count)]
    return (shortSide, generator.chance(flip))
  }
}
