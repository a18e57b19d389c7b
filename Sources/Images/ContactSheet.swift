import Files

/// Pictures in rows, each in a cell of the size of the largest: a PNG to look at.
package struct ContactSheet: Sendable {
  /// The frame of a picture says what it is.
  package enum Frame: Sendable {
    case plain, sameClass, otherClass

    fileprivate var color: (red: UInt8, green: UInt8, blue: UInt8) {
      switch self {
      case .plain: (40, 40, 40)
      case .sameClass: (40, 160, 80)
      case .otherClass: (215, 50, 50)
      }
    }
  }

  /// A picture, in a frame of two pixels or without one.
  package struct Cell: Sendable {
    let picture: RGBImage
    let frame: Frame?
    var border: Int { frame == nil ? 0 : 2 }
    var width: Int { picture.width + 2 * border }
    var height: Int { picture.height + 2 * border }

    package init(_ picture: RGBImage, _ frame: Frame? = nil) {
      (self.picture, self.frame) = (picture, frame)
    }

    fileprivate subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
      let (column, row) = (x - border, y - border)
      if let frame, !(0..<picture.width).contains(column) || !(0..<picture.height).contains(row) {
        return frame.color
      }
      return picture[column, row]
    }
  }

  /// Rows may differ in length.
  package var rows: [[Cell]] = []
  /// Pixels between cells and around them.
  var border = 3
  /// Each pixel becomes a square of this side.
  var magnification = 1
  /// Level of the border.
  var background: UInt8 = 255

  /// - Parameter pictureSize: the side of the pictures in pixels; small ones are magnified.
  package init(pictureSize: Int) { magnification = pictureSize < 64 ? 2 : 1 }

  init(border: Int, magnification: Int, background: UInt8) {
    (self.border, self.magnification, self.background) = (border, magnification, background)
  }

  /// The sheet as one picture. Traps if it is empty.
  package var image: RGBImage {
    let cells = rows.flatMap { $0 }
    let cellWidth = (cells.map(\.width).max() ?? 0) * magnification + border
    let cellHeight = (cells.map(\.height).max() ?? 0) * magnification + border
    let columns = rows.map(\.count).max() ?? 0
    let (width, height) = (columns * cellWidth + border, rows.count * cellHeight + border)
    var pixels = [UInt8](repeating: background, count: width * height * 3)
    for (row, cells) in rows.enumerated() {
      for (column, cell) in cells.enumerated() {
        let origin = ((border + row * cellHeight) * width + border + column * cellWidth) * 3
        for y in 0..<cell.height * magnification {
          for x in 0..<cell.width * magnification {
            let at = origin + (y * width + x) * 3
            (pixels[at], pixels[at + 1], pixels[at + 2]) = cell[x / magnification, y / magnification]
          }
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  /// Writes the sheet as a PNG.
  package func write(to path: String) throws { try replaceFile(path, with: image.pngData()) }
}
