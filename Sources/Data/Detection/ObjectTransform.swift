import Torch

/// Takes the objects of an image to its resized and perhaps mirrored picture.
///
/// Places are scaled by the true ratios of the sides, which rounding makes differ from each other and from the scale.
/// Boxes of integers stay exact: the published implementation writes the scaled ones of such a box back into an array
/// of integers and so cuts their fractions off.
package struct ObjectTransform: Sendable {
  let source: (height: Int, width: Int)
  let target: (height: Int, width: Int)
  let isFlipped: Bool
  /// Of keypoints.
  let mirrored: [Int]

  private let scaleX: Double
  private let scaleY: Double

  package init(
    from source: (height: Int, width: Int), to target: (height: Int, width: Int), isFlipped: Bool,
    keypoints: KeypointLayout
  ) {
    (self.source, self.target, self.isFlipped) = (source, target, isFlipped)
    mirrored = keypoints.mirrored
    scaleX = Double(target.width) / Double(source.width)
    scaleY = Double(target.height) / Double(source.height)
  }

  /// Boxes of a smaller side are dropped.
  private static let leastSide = 1e-5

  /// Nil where too little of the object is in the picture.
  package func callAsFunction(_ object: AnnotatedObject) -> AnnotatedObject? {
    let box = box(object.box)
    guard box.width > Self.leastSide, box.height > Self.leastSide else { return nil }
    var moved = object
    moved.box = box
    if let mask = object.mask {
      moved.mask = self.mask(mask)
      // Resizing by the nearest pixel can lose a thin one.
      if case .runLengths(let runs) = moved.mask, runs.area == 0 { return nil }
    }
    moved.keypoints = keypoints(object.keypoints)
    return moved
  }

  private func x(_ x: Double) -> Double {
    isFlipped ? Double(target.width) - x * scaleX : x * scaleX
  }

  private func y(_ y: Double) -> Double { y * scaleY }

  private func box(_ box: BoundingBox) -> BoundingBox {
    let (a, b) = (x(box.x0), x(box.x1))
    return BoundingBox(x0: min(a, b), y0: y(box.y0), x1: max(a, b), y1: y(box.y1))
      .clipped(width: Double(target.width), height: Double(target.height))
  }

  /// Polygons are not cut at the edge.
  private func mask(_ mask: InstanceMask) -> InstanceMask {
    switch mask {
    case .polygons(let polygons):
      .polygons(
        polygons.map { polygon in
          polygon.enumerated().map { place, number in place % 2 == 0 ? x(number) : y(number) }
        })
    case .runLengths(let runs):
      .runLengths(runs.resized(height: target.height, width: target.width, isFlipped: isFlipped))
    }
  }

  /// Left and right change places in a mirror. Points outside of the picture, and unlabeled ones, become (0, 0).
  private func keypoints(_ points: [Keypoint]) -> [Keypoint] {
    let unlabeled = Keypoint(x: 0, y: 0, visibility: .unlabeled)
    return points.indices.map { place in
      let point = points[isFlipped && place < mirrored.count ? mirrored[place] : place]
      let (x, y) = (x(point.x), y(point.y))
      let isInside = x >= 0 && x <= Double(target.width) && y >= 0 && y <= Double(target.height)
      return point.visibility == .unlabeled || !isInside
        ? unlabeled : Keypoint(x: x, y: y, visibility: point.visibility)
    }
  }
}

extension RunLengthMask {
  /// By the nearest pixel, as Pillow's NEAREST finds it, then mirrored.
  package func resized(height: Int, width: Int, isFlipped: Bool) -> RunLengthMask {
    if height == self.height, width == self.width, !isFlipped { return self }
    let pixels = bitmap()
    let rows = nearestPlaces(height, of: self.height)
    var columns = nearestPlaces(width, of: self.width)
    if isFlipped { columns.reverse() }
    let resized = [UInt8](unsafeUninitializedCapacity: height * width) { out, count in
      pixels.withUnsafeBufferPointer { pixels in
        var place = 0
        for row in rows {
          for column in columns {
            out[place] = row < 0 || column < 0 ? 0 : pixels[row * self.width + column]
            place += 1
          }
        }
      }
      count = height * width
    }
    return resized.withUnsafeBytes { RunLengthMask(bitmap: $0, height: height, width: width) }
  }
}

/// Where each of `count` places, or those of a window, takes its value from by the nearest pixel; -1 for none. Places are
/// summed up step by step, as in Pillow, whose rounding the sum must share.
func nearestPlaces(_ count: Int, of length: Int, in window: Range<Int>? = nil) -> [Int] {
  let window = window ?? 0..<count
  if count == length { return Array(window) }
  let step = Double(length) / Double(count)
  var at = step * 0.5
  var places: [Int] = []
  places.reserveCapacity(window.count)
  for number in 0..<window.upperBound {
    if number >= window.lowerBound { places.append(Int(at) < length ? Int(at) : -1) }
    at += step
  }
  return places
}
