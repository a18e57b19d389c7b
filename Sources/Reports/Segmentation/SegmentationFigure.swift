import Data
import Files
import Images
import Torch

/// A test image four times: as it is, with its classes, with the predicted ones, and with the errors.
struct SegmentationFigure {
  /// The largest side of each picture in the page, in pixels.
  static let side = 320
  private static let white = SIMD3<UInt8>(255, 255, 255)
  private static let wrong = SIMD3<UInt8>(213, 94, 0)

  let picture: SegmentationPicture
  let classNames: [String]
  let palette: [SIMD3<UInt8>]

  private var scale: Double {
    min(1, Double(Self.side) / Double(max(picture.image.width, picture.image.height)))
  }
  private var width: Int { max(1, Int((Double(picture.image.width) * scale).rounded())) }
  private var height: Int { max(1, Int((Double(picture.image.height) * scale).rounded())) }

  func html() throws -> HTML {
    let found = picture.mistakes
    let share = found.pixels == 0 ? 0 : Double(found.pixels - found.right) / Double(found.pixels)
    let most = found.list.prefix(2).map { mistake in
      "\(name(mistake.truth)) as \(name(mistake.prediction)) "
        + "\(fixed(100 * Double(mistake.pixels) / Double(max(found.pixels, 1)), 1)) %"
    }
    let ending: String = most.isEmpty ? "" : ": " + most.joined(separator: ", ")
    let sum: HTML =
      "<b>\(picture.name)</b> \(fixed(100 * share, 1)) % of its pixels are wrong\(ending)"
    let image = try shrunk()
    let panels: [HTML] = try [
      panel(image, "image"), panel(colored(image, picture.truth), "classes"),
      panel(colored(image, picture.prediction), "predicted"), panel(errors(image), "errors"),
    ]
    return """
      <figure class="detections"><figcaption>\(sum)</figcaption>
      <div class="quartet">\(panels)</div></figure>
      """
  }

  private func name(_ label: Int) -> String {
    classNames.indices.contains(label) ? classNames[label] : "class \(label)"
  }

  private func panel(_ image: RGBImage, _ what: String) throws -> HTML {
    try HTML.picture(image, "\(picture.name): \(what)", kind: "panel")
  }

  private func shrunk() throws -> RGBImage { try picture.image.resized(height: height, width: width) }

  // MARK: - Colours

  /// The pixel of the whole label map that a pixel of the small picture shows: that at its centre.
  private func place(_ x: Int, _ y: Int) -> Int {
    let column = min(picture.truth.width - 1, (2 * x + 1) * picture.truth.width / (2 * width))
    let row = min(picture.truth.height - 1, (2 * y + 1) * picture.truth.height / (2 * height))
    return row * picture.truth.width + column
  }

  /// A color over the image's gray for each pixel; the image itself where there is none.
  private func painted(
    _ image: RGBImage, _ color: (_ place: Int) -> (color: SIMD3<UInt8>, share: Int)?
  ) -> RGBImage {
    var pixels = image.pixels
    for y in 0..<height {
      for x in 0..<width {
        guard let paint = color(place(x, y)) else { continue }
        let at = 3 * (y * width + x)
        let gray = (Int(pixels[at]) * 3 + Int(pixels[at + 1]) * 6 + Int(pixels[at + 2])) / 10
        for channel in 0..<3 {
          pixels[at + channel] = UInt8(
            (Int(paint.color[channel]) * paint.share + gray * (100 - paint.share)) / 100)
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  private func colored(_ image: RGBImage, _ map: LabelMap) -> RGBImage {
    painted(image) { place in
      let label = Int(map.labels[place])
      return palette.indices.contains(label) ? (palette[label], 65) : (Self.white, 65)
    }
  }

  /// Wrong pixels are vermillion, right ones the pale image, pixels without a class white.
  private func errors(_ image: RGBImage) -> RGBImage {
    painted(image) { place in
      let (truth, prediction) = (picture.truth.labels[place], picture.prediction.labels[place])
      if truth == LabelMap.ignored { return (Self.white, 90) }
      return truth == prediction ? (Self.white, 45) : (Self.wrong, 85)
    }
  }
}

extension RGBImage {
  /// Resized by Pillow's antialiased bilinear filter.
  func resized(height: Int, width: Int) throws -> RGBImage {
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    let region = CropBox(box: .whole(self.width, self.height), isFlipped: false)
    try pixels.withUnsafeMutableBytes { out in
      try withPixels { try $0.write(region, ViewShape(height: height, width: width), to: out) }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
