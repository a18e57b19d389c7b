import Data
import Files
import Models
import Torch

/// Detections in COCO's results format: a JSON list of `image_id`, `category_id`, `bbox` (x, y, width, height), `score`,
/// and `segmentation` (compressed run lengths) or `keypoints` where there are some.
package struct DetectionResults: Sendable {
  /// The list's elements with commas between them.
  private var text: [UInt8] = []
  package private(set) var count = 0

  package init() {}

  /// - Parameter elements: As ``bytes`` of others.
  package init(joining elements: [(bytes: [UInt8], count: Int)]) {
    for (bytes, count) in elements where count > 0 {
      if !text.isEmpty { text += Array(",\n".utf8) }
      text += bytes
      self.count += count
    }
  }

  package var bytes: [UInt8] { text }

  /// Adds what was found in an image.
  /// - Parameters:
  ///   - found: In pixels of the whole image.
  ///   - image: COCO's id of the image.
  ///   - categoryIDs: Of the classes.
  ///   - maskThreshold: From this probability on a pixel belongs to an object; above 0.
  package mutating func add(
    _ found: Instances, image: Int, categoryIDs: [Int], maskThreshold: Double = 0.5
  ) {
    guard found.count > 0 else { return }
    let isSingle = found.boxes.dtype == .float32
    let boxes = found.boxes.to(.float64).array(of: Double.self)
    let scores = found.scores.to(.float64).array(of: Double.self)
    let classes = found.classes.array(of: Int.self)
    let masks = found.runLengths(threshold: maskThreshold)
    let points = found.keypoints?.to(.float64).array(of: Double.self)
    let pointCount = found.keypoints?.shape[1] ?? 0
    for row in 0..<found.count {
      if count > 0 { text += Array(",\n".utf8) }
      let corners = Array(boxes[4 * row..<4 * row + 4])
      var line =
        "{\"image_id\":\(image),\"category_id\":\(categoryIDs[classes[row]]),\"bbox\":"
        + Self.list(Self.box(corners, isSingle: isSingle)) + ",\"score\":" + Self.number(scores[row])
      if let mask = masks?[row] {
        line += ",\"segmentation\":{\"size\":[\(mask.height),\(mask.width)],\"counts\":\""
        // Of the characters that COCO's text has, JSON escapes one.
        line += String(decoding: mask.compressed, as: UTF8.self).replacing("\\", with: "\\\\") + "\"}"
      }
      if let points {
        let own = points[3 * pointCount * row..<3 * pointCount * (row + 1)]
        line += ",\"keypoints\":" + Self.list(Self.keypoints(Array(own)))
      }
      text += Array((line + "}").utf8)
      count += 1
    }
  }

  /// The whole file.
  package var json: [UInt8] { Array("[".utf8) + text + Array("]\n".utf8) }

  /// Writes the file, or leaves an older one as it is.
  package func write(to path: String) throws {
    try replaceFile(path) { try $0.write(json) }
  }

  // MARK: - Numbers

  /// Corners as left, top, width and height, in the type of the network.
  private static func box(_ c: [Double], isSingle: Bool) -> [Double] {
    isSingle
      ? [c[0], c[1], Double(Float(c[2]) - Float(c[0])), Double(Float(c[3]) - Float(c[1]))]
      : [c[0], c[1], c[2] - c[0], c[3] - c[1]]
  }

  /// COCO counts points from a pixel's centre.
  private static func keypoints(_ values: [Double]) -> [Double] {
    values.enumerated().map { $0.offset % 3 == 2 ? $0.element : $0.element - 0.5 }
  }

  private static func list(_ values: [Double]) -> String {
    "[" + values.map(number).joined(separator: ",") + "]"
  }

  /// The shortest text that reads back as the value; of a float32's as that float32.
  private static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    return Double(Float(value)) == value ? "\(Float(value))" : "\(value)"
  }
}

extension Instances {
  /// Bytes of masks at the image's size at a time.
  private static let maskBytes = 64 << 20

  /// Every object's mask at the image's size; nil without masks.
  fileprivate func runLengths(threshold: Double) -> [RunLengthMask]? {
    guard let masks else { return nil }
    let pixels = size.height * size.width
    let share = max(1, Self.maskBytes / max(1, pixels))
    return stride(from: 0, to: count, by: share).flatMap { start in
      let rows = start..<min(start + share, count)
      let pasted = pasteMasks(
        masks.narrowed(rows), boxes: boxes.narrowed(rows), height: size.height, width: size.width,
        threshold: threshold
      ).to(.cpu).contiguous()
      return pasted.withUnsafeBytes { bytes in
        rows.indices.map { index in
          let offset = (index - start) * pixels
          return RunLengthMask(
            bitmap: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + pixels]), height: size.height,
            width: size.width)
        }
      }
    }
  }
}
