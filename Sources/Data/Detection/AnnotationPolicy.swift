import Torch

/// The one place that judges annotations: each becomes an object that training can use, or is left out and counted by
/// kind. What makes a whole file unusable is a ``DatasetError`` of its reader.
///
/// An object without area must not reach training: its best overlap with any anchor is 0, so that every anchor without
/// overlap would count as positive.
package struct AnnotationPolicy {
  /// Whether a mask is needed; otherwise none is kept.
  let masks: Bool
  /// Whether keypoints are needed; otherwise none are kept.
  let keypoints: Bool
  package private(set) var leftOut = AnnotationsLeftOut()
  /// Objects that were judged.
  private(set) var objects = 0

  init(_ options: DetectionOptions) { (masks, keypoints) = (options.masks, options.keypoints) }

  /// Sides and places in pixels are bounded, so that sums of them stay exact.
  private static let largest = 1e9
  /// The least side, in pixels, of a box within its image. A smaller one could lose its area when an image is scaled
  /// down and its box becomes float32.
  private static let leastSide = 0.01

  mutating func add(_ fault: AnnotationFault, _ place: @autoclosure () -> String) {
    leftOut.add(fault, place())
  }

  mutating func countObject() { objects += 1 }

  // MARK: - Boxes

  /// - Parameters:
  ///   - numbers: Left, top, right, lower edge, in pixels.
  ///   - place: For people: "image a.jpg, object 3".
  /// - Returns: Nil where the object is left out.
  mutating func box(
    corners numbers: [Double], in image: DetectionDataset.Image, _ place: @autoclosure () -> String
  ) -> BoundingBox? {
    guard numbers.count == 4 else { return refuse(.withoutBox, place()) }
    guard numbers.allSatisfy({ abs($0) <= Self.largest }) else { return refuse(.notFinite, place()) }
    let box = BoundingBox(x0: numbers[0], y0: numbers[1], x1: numbers[2], y1: numbers[3])
    guard box.x1 >= box.x0, box.y1 >= box.y0 else { return refuse(.inverted, place()) }
    guard box.width >= Self.leastSide, box.height >= Self.leastSide else { return refuse(.empty, place()) }
    let inside = box.clipped(width: Double(image.width), height: Double(image.height))
    guard inside.width >= Self.leastSide, inside.height >= Self.leastSide else {
      return refuse(.outside, place())
    }
    // Tools round edges; a pixel too much is no remark.
    if box.width - inside.width > 1 || box.height - inside.height > 1 { leftOut.add(.overEdge, place()) }
    return box
  }

  // MARK: - Masks

  /// The segmentation of an annotation as its file has it.
  enum Segmentation {
    case none
    case polygons([[Double]])
    case runLengths(RunLengthMask)
    /// Run lengths that are none.
    case damaged
  }

  /// - Parameter box: The object's, if it has one.
  /// - Returns: Nil where there is no mask that can be used; the reason is counted.
  mutating func mask(
    _ segmentation: Segmentation, box: BoundingBox?, in image: DetectionDataset.Image,
    _ place: @autoclosure () -> String
  ) -> InstanceMask? {
    switch segmentation {
    case .none: return refuse(.withoutMask, place())
    case .damaged: return refuse(.runLengths, place())
    case .runLengths(let mask):
      guard mask.height == image.height, mask.width == image.width else {
        return refuse(.maskSize, place())
      }
      guard mask.area > 0 else { return refuse(.emptyMask, place()) }
      return .runLengths(mask)
    case .polygons(let polygons):
      var good: [[Double]] = []
      var lost = 0
      for polygon in polygons {
        if polygon.count >= 6, polygon.count % 2 == 0, polygon.allSatisfy({ abs($0) <= Self.largest }) {
          good.append(polygon)
        } else if let box, let rectangle = box.rectangle(asWritten: polygon) {
          good.append(rectangle)
          leftOut.add(.rectangle, place())
        } else {
          lost += 1
        }
      }
      guard !good.isEmpty else { return refuse(polygons.isEmpty ? .withoutMask : .twoPoints, place()) }
      for _ in 0..<lost { leftOut.add(.lostPolygon, place()) }
      return .polygons(good)
    }
  }

  // MARK: - Keypoints

  /// Three numbers a point: x, y, visibility. An object without keypoints has as many unlabeled ones.
  ///
  /// - Parameter shift: Added to places: COCO counts them from a pixel's centre, boxes from its corner.
  mutating func keypoints(
    _ numbers: [Double], _ layout: KeypointLayout, shift: Double, _ place: @autoclosure () -> String
  ) -> [Keypoint]? {
    let unlabeled = Keypoint(x: 0, y: 0, visibility: .unlabeled)
    if numbers.isEmpty { return Array(repeating: unlabeled, count: layout.count) }
    guard numbers.count == 3 * layout.count else { return refuse(.keypointCount, place()) }
    var points: [Keypoint] = []
    for start in stride(from: 0, to: numbers.count, by: 3) {
      let (x, y) = (numbers[start], numbers[start + 1])
      guard let visibility = Int(exactly: numbers[start + 2]).flatMap(Keypoint.Visibility.init),
        abs(x) <= Self.largest, abs(y) <= Self.largest
      else { return refuse(.keypointCount, place()) }
      points.append(
        visibility == .unlabeled ? unlabeled : Keypoint(x: x + shift, y: y + shift, visibility: visibility))
    }
    return points
  }

  private mutating func refuse<Value>(_ fault: AnnotationFault, _ place: String) -> Value? {
    leftOut.add(fault, place)
    return nil
  }
}

extension BoundingBox {
  /// The part within an image.
  package func clipped(width: Double, height: Double) -> BoundingBox {
    BoundingBox(
      x0: min(max(x0, 0), width), y0: min(max(y0, 0), height), x1: min(max(x1, 0), width),
      y1: min(max(y1, 0), height))
  }

  /// A polygon of the box's corners, if `numbers` are the box as four numbers in either form.
  func rectangle(asWritten numbers: [Double]) -> [Double]? {
    guard numbers == [x0, y0, x1, y1] || numbers == [x0, y0, width, height] else { return nil }
    return [x0, y0, x1, y0, x1, y1, x0, y1]
  }
}
