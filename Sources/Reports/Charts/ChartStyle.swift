/// The look of charts: widths in points, paints.
enum ChartStyle {
  static let titleSize = 13.0
  static let axisLabelSize = 11.0
  static let tickSize = 10.0
  static let pointLabelSize = 10.0
  static let margin = 10.0
  static let markerRadius = 3.2
  static let dotRadius = 2.0

  static let band = Paint(.muted, opacity: 0.14)
  static let level = Paint(.muted)
  static let errorWidth = 1.1
  static let barError = Paint(.text, opacity: 0.75)
  static let axis = Paint(.muted)
  static let grid = Paint(.grid)

  static func line(color: Int, isFaint: Bool) -> Paint {
    Paint(.series(color), opacity: isFaint ? 0.35 : 1)
  }

  static func bar(color: Int, isFaint: Bool) -> Paint {
    Paint(.series(color), opacity: isFaint ? 0.4 : 1)
  }

  static func lineWidth(isFaint: Bool) -> Double { isFaint ? 0.9 : 1.7 }
}
