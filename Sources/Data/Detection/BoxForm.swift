/// What the four numbers of a COCO file's boxes mean.
enum BoxForm: Equatable {
  /// x, y, width, height, as the format says.
  case sizes
  /// Left, top, right, lower edge, as some tools write.
  case corners

  /// The forms that the boxes of a file can have. They are read as corners only where no box can be anything else: a
  /// guess for a part of them would train on wrong boxes.
  struct Votes {
    /// Boxes that can be of this form only.
    private(set) var corners = 0
    private(set) var sizes = 0
    /// All boxes.
    private(set) var all = 0

    /// - Parameters:
    ///   - box: As written.
    ///   - area: As written, which is the box's where there is no mask; NaN without one.
    ///   - height: The image's, in pixels.
    mutating func count(_ box: SIMD4<Double>, area: Double, height: Double, width: Double) {
      all += 1
      let (x, y, a, b) = (box[0], box[1], box[2], box[3])
      // A pixel beyond the edge is rounding.
      let fitsCorners = a > x && b > y && a <= width + 1 && b <= height + 1
      let fitsSizes = a > 0 && b > 0 && x + a <= width + 1 && y + b <= height + 1
      let saysCorners = isNear(area, (a - x) * (b - y))
      let saysSizes = isNear(area, a * b)
      if fitsCorners, !fitsSizes || saysCorners && !saysSizes {
        corners += 1
      } else if fitsSizes, !fitsCorners || saysSizes && !saysCorners {
        sizes += 1
      }
    }

    var form: BoxForm { all > 0 && corners == all ? .corners : .sizes }
    /// Whether corners are the likelier form, and yet not the only one.
    var isMixed: Bool { corners > sizes && corners < all }

    private func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-3 * max(1, abs(b)) }
  }
}
