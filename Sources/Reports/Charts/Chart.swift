/// A line, scatter or bar chart as a plain value; ``drawing()`` lays it out.
///
/// Lengths are in points (1/72 inch on paper, one CSS pixel on a page). Several charts beside each other are the
/// caller's: every chart fills exactly `width` x `height`.
package struct Chart: Sendable, Equatable {
  package var title: String
  package var x: Axis
  package var y: Axis
  /// Later series lie on top of earlier ones, except that bars lie below everything.
  package var series: [Series]
  package var bands: [Band]
  package var levels: [Level]
  package var width: Double
  package var height: Double

  /// Traps on a chart smaller than 120 x 90 points, which is too small to read.
  package init(
    title: String = "", x: Axis, y: Axis, series: [Series], bands: [Band] = [], levels: [Level] = [],
    width: Double = 480, height: Double = 300
  ) {
    precondition(
      width >= 120 && height >= 90 && width <= 10_000 && height <= 10_000,
      "a chart of \(width) x \(height) points, want 120 x 90 to 10000 x 10000")
    self.title = title
    self.x = x
    self.y = y
    self.series = series
    self.bands = bands
    self.levels = levels
    self.width = width
    self.height = height
  }
}

extension Chart {
  /// One value of a series.
  package struct Point: Sendable, Equatable {
    /// The place on the x axis; on an axis of categories, the category's number from 0.
    package var x: Double
    /// The value. Nil, not finite, or not positive on a logarithmic axis: a gap. A gap's label stands on the x axis,
    /// so that a run that failed is seen.
    package var y: Double?
    /// Half the length of the error bar.
    package var deviation: Double?
    /// A short text at the point.
    package var label: String?

    package init(_ x: Double, _ y: Double?, deviation: Double? = nil, label: String? = nil) {
      self.x = x
      self.y = y
      self.deviation = deviation
      self.label = label
    }
  }

  /// How a series is shown.
  package enum Style: Sendable, Equatable {
    case line
    case markedLine
    case scatter
    /// Bars from zero, beside those of the other series; only over categories.
    case bars
  }

  /// Points of one colour under one name.
  package struct Series: Sendable, Equatable {
    /// The name in the legend; empty: not in the legend.
    package var name: String
    package var points: [Point]
    package var style: Style
    /// The colour's number in the ``Palette``; nil: the series' own number in the chart.
    package var color: Int?
    /// Thin and pale: the noisy curve behind its own mean.
    package var isFaint: Bool

    package init(
      _ name: String, style: Style = .line, color: Int? = nil, isFaint: Bool = false, points: [Point]
    ) {
      self.name = name
      self.points = points
      self.style = style
      self.color = color
      self.isFaint = isFaint
    }

    /// One value for each category, in the order of the axis; nil is a gap.
    package init(
      _ name: String, style: Style = .markedLine, color: Int? = nil, values: [Double?],
      deviations: [Double?] = []
    ) {
      precondition(
        deviations.isEmpty || deviations.count == values.count,
        "\(deviations.count) deviations of \(values.count) values")
      let points = values.indices.map {
        Point(Double($0), values[$0], deviation: deviations.isEmpty ? nil : deviations[$0])
      }
      self.init(name, style: style, color: color, points: points)
    }
  }

  /// A horizontal band behind the data, such as the range in which a loss is expected.
  package struct Band: Sendable, Equatable {
    package var label: String
    package var range: ClosedRange<Double>

    package init(_ label: String, _ range: ClosedRange<Double>) {
      self.label = label
      self.range = range
    }
  }

  /// A dashed horizontal line, such as the accuracy of chance.
  package struct Level: Sendable, Equatable {
    package var label: String
    package var value: Double

    package init(_ label: String, _ value: Double) {
      self.label = label
      self.value = value
    }
  }
}
