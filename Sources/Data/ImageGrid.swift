import Images

/// A contact sheet: pictures in rows, each in a cell of the size of the largest.
package struct ImageGrid: Sendable {
  /// Pixels between cells and around them.
  package var border: Int
  /// Each pixel becomes a square of so many, for small pictures.
  package var magnification: Int
  /// Level of the border.
  package var background: UInt8

  package init(border: Int = 2, magnification: Int = 1, background: UInt8 = 255) {
    precondition(border >= 0 && magnification >= 1, "border \(border), magnification \(magnification)")
    (self.border, self.magnification, self.background) = (border, magnification, background)
  }

  /// The sheet. Rows may differ in length; traps if there is no picture.
  package func draw(_ rows: [[RGBImage]]) -> RGBImage {
    let all = rows.flatMap { $0 }
    let cellWidth = (all.map(\.width).max() ?? 0) * magnification + border
    let cellHeight = (all.map(\.height).max() ?? 0) * magnification + border
    let columns = rows.map(\.count).max() ?? 0
    let (width, height) = (columns * cellWidth + border, rows.count * cellHeight + border)
    var pixels = [UInt8](repeating: background, count: width * height * 3)
    for (row, images) in rows.enumerated() {
      for (column, image) in images.enumerated() {
        let origin = ((border + row * cellHeight) * width + border + column * cellWidth) * 3
        for y in 0..<image.height * magnification {
          for x in 0..<image.width * magnification {
            let color = image[x / magnification, y / magnification]
            let at = origin + (y * width + x) * 3
            (pixels[at], pixels[at + 1], pixels[at + 2]) = (color.red, color.green, color.blue)
          }
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
