import Data
import Files
import Foundation
import Images
import Torch

/// A test image twice: with its objects, and with what was found.
struct DetectionFigure {
  /// The largest side of the picture in the page, in pixels.
  static let side = 480
  /// Detections below this score are not drawn, unless they found an object.
  static let threshold = 0.3
  /// The most boxes drawn over one picture.
  static let limit = 100

  let picture: DetectionPicture
  let matching: PictureMatching
  let classNames: [String]
  /// Of the figure, in a page with others.
  let number: Int

  private struct Frame {
    let box: BoundingBox
    let mask: InstanceMask?
    let label: String
    /// A class of the page's style: `right`, `wrong` or `ignored`.
    let kind: String
  }

  private var scale: Double { min(1, Double(Self.side) / Double(max(picture.width, picture.height))) }
  private var width: Int { max(1, Int((Double(picture.width) * scale).rounded())) }
  private var height: Int { max(1, Int((Double(picture.height) * scale).rounded())) }

  /// - Throws: `ImageError` where the image cannot be read, or has another size than its annotations say.
  func html() throws -> HTML {
    let jpeg = try shrunk().jpegData(quality: 82)
    let image = """
      <image id="picture-\(number)" width="\(width)" height="\(height)" \
      href="data:image/jpeg;base64,\(jpeg.base64EncodedString())"/>
      """
    let found = objects.count { $0.kind == "right" }
    let counted = picture.truth.count { !$0.isIgnored }
    let wrong = detections.count { $0.kind == "wrong" }
    let sum: HTML =
      "<b>\(picture.name)</b> found \(found) of \(counted); \(wrong) wrong; gap \(fixed(matching.gap, 2))"
    return """
      <figure class="detections"><figcaption>\(sum)</figcaption>
      <div class="pair">\(panel(image, objects, "objects"))
      \(panel("<use href=\"#picture-\(number)\"/>", detections, "detections"))</div></figure>
      """
  }

  private func shrunk() throws -> RGBImage {
    let image = try ImageDecoder(appliesOrientation: true).decode(contentsOf: picture.path)
    guard image.width == picture.width, image.height == picture.height else {
      throw ImageError.inFile(
        path: picture.path,
        .unreadable(
          reason:
            "it has \(image.width) × \(image.height) pixels, and its annotations are for \(picture.width) × \(picture.height)"
        ))
    }
    return try image.resized(height: height, width: width)
  }

  // MARK: - Frames

  private func name(_ index: Int) -> String {
    classNames.indices.contains(index) ? classNames[index] : "class \(index)"
  }

  private var objects: [Frame] {
    zip(picture.truth, matching.scores).prefix(Self.limit).map { truth, score in
      Frame(
        box: truth.box, mask: truth.mask, label: name(truth.classIndex),
        kind: truth.isIgnored ? "ignored" : score == nil ? "wrong" : "right")
    }
  }

  /// The best first, so that their labels find a place.
  private var detections: [Frame] {
    let drawn = zip(picture.detections, matching.outcomes).filter { detection, outcome in
      if case .right = outcome { return true }
      return detection.score >= Self.threshold
    }
    return drawn.sorted { $0.0.score > $1.0.score }.prefix(Self.limit).map { detection, outcome in
      let kind =
        switch outcome {
        case .right: "right"
        case .wrong: "wrong"
        case .ignored: "ignored"
        }
      return Frame(
        box: detection.box, mask: detection.mask,
        label: "\(name(detection.classIndex)) \(fixed(detection.score, 2))", kind: kind)
    }
  }

  // MARK: - Drawing

  private func panel(_ image: String, _ frames: [Frame], _ what: String) -> HTML {
    let title = escapedForXML("\(picture.name): \(what)")
    var labels = FrameLabels(width: Double(width), height: Double(height))
    var text =
      "<svg class=\"panel\" viewBox=\"0 0 \(width) \(height)\" role=\"img\"><title>\(title)</title>\(image)"
    text += frames.reversed().map(outline).joined()
    text += frames.compactMap { frame in
      labels.place(frame.label, at: corners(frame.box)).map { label($0, frame) }
    }.joined()
    return HTML(markup: text + "</svg>")
  }

  /// Within the picture.
  private func corners(_ box: BoundingBox) -> FrameLabels.Box {
    func inside(_ value: Double, _ end: Int) -> Double {
      value.isFinite ? min(max(value * scale, 0), Double(end)) : 0
    }
    return .init(
      left: inside(box.x0, width), top: inside(box.y0, height), right: inside(box.x1, width),
      bottom: inside(box.y1, height))
  }

  private func outline(_ frame: Frame) -> String {
    let box = corners(frame.box)
    let place =
      "x=\"\(coordinate(box.left))\" y=\"\(coordinate(box.top))\" width=\"\(coordinate(box.right - box.left))\" "
      + "height=\"\(coordinate(box.bottom - box.top))\""
    let mask = frame.mask.map { mask in
      let path = MaskOutline(mask, scale: scale, width: width, height: height).path
      return "<path class=\"mask\" d=\"\(path)\"/>"
    }
    return
      "<g class=\"\(frame.kind)\">\(mask ?? "")<rect class=\"halo\" \(place)/><rect class=\"frame\" \(place)>"
      + "<title>\(escapedForXML(frame.label))</title></rect></g>"
  }

  private func label(_ box: FrameLabels.Box, _ frame: Frame) -> String {
    let text = escapedForXML(FrameLabels.shortened(frame.label))
    return "<g class=\"\(frame.kind) name\"><rect x=\"\(coordinate(box.left))\" y=\"\(coordinate(box.top))\" "
      + "width=\"\(coordinate(box.right - box.left))\" height=\"\(coordinate(box.bottom - box.top))\" rx=\"2\"/>"
      + "<text x=\"\(coordinate(box.left + 3))\" y=\"\(coordinate(box.bottom - 3.5))\">\(text)</text></g>"
  }
}

/// Finds places for the names of boxes, so that none covers another.
struct FrameLabels {
  struct Box: Equatable {
    var left, top, right, bottom: Double

    func overlaps(_ other: Box) -> Bool {
      left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }
  }

  static let size = 11.0
  private static let height = 14.0
  private static let longest = 24

  let width: Double
  let height: Double
  private var taken: [Box] = []

  init(width: Double, height: Double) { (self.width, self.height) = (width, height) }

  static func shortened(_ text: String) -> String {
    guard text.count > longest else { return text }
    // The score stands at the end.
    return text.prefix(longest - 6) + "…" + text.suffix(5)
  }

  /// Above the box, in its upper corner, below it, or in its lower corner; nil where all of them are taken.
  mutating func place(_ text: String, at box: Box) -> Box? {
    // The page's font may be wider than the measured one.
    let room = FontMetrics.width(of: Self.shortened(text), size: Self.size) * 1.08 + 7
    let left = max(0, min(box.left - 1, width - room))
    for top in [box.top - Self.height, box.top, box.bottom, box.bottom - Self.height] {
      let place = Box(left: left, top: top, right: left + room, bottom: top + Self.height)
      guard top >= 0, place.bottom <= height, !taken.contains(where: place.overlaps) else { continue }
      taken.append(place)
      return place
    }
    return nil
  }
}
