import Foundation

extension Chart {
  /// One axis: what it measures, how, and over which range.
  package struct Axis: Sendable, Equatable {
    package enum Scale: Sendable, Equatable {
      case linear
      /// Base 10; values that are not positive are gaps.
      case logarithmic
      /// Equal steps, one a name; only for x.
      case categories([String])
    }

    /// The measured quantity with its unit.
    package var label: String
    package var scale: Scale
    /// The range shown; nil: what the data need. Data outside are cut off.
    package var range: ClosedRange<Double>?

    /// The values to mark, such as the queue sizes that were tried; nil: round numbers.
    package var ticks: [Double]?

    /// Traps on a range that is empty, not finite, or not positive on a logarithmic axis.
    package init(
      _ label: String, scale: Scale = .linear, range: ClosedRange<Double>? = nil, ticks: [Double]? = nil
    ) {
      if let range {
        precondition(
          range.lowerBound.isFinite && range.upperBound.isFinite && range.lowerBound < range.upperBound,
          "an axis from \(range.lowerBound) to \(range.upperBound)")
        precondition(
          scale != .logarithmic || range.lowerBound > 0, "a logarithmic axis from \(range.lowerBound)")
      }
      self.label = label
      self.scale = scale
      self.range = range
      self.ticks = ticks
    }
  }
}

/// Values of one axis to places on the drawing.
struct Projection {
  let isLogarithmic: Bool
  /// The values at both ends.
  let low: Double
  let high: Double
  /// The places of both ends, in points.
  var start = 0.0
  var end = 1.0

  init(linear range: ClosedRange<Double>) {
    isLogarithmic = false
    low = range.lowerBound
    high = range.upperBound
  }

  init(logarithmic range: ClosedRange<Double>) {
    isLogarithmic = true
    low = range.lowerBound
    high = range.upperBound
  }

  func spanning(_ start: Double, _ end: Double) -> Projection {
    var projection = self
    projection.start = start
    projection.end = end
    return projection
  }

  /// Where `value` lies, possibly outside of the ends; nil for what the axis cannot show.
  func callAsFunction(_ value: Double) -> Double? {
    guard value.isFinite, value > 0 || !isLogarithmic else { return nil }
    let fraction =
      isLogarithmic
      ? (log10(value) - log10(low)) / (log10(high) - log10(low))
      : (value.limited - low) / (high - low)
    // Far outside is far enough, and stays finite.
    return start + min(max(fraction, -1e4), 1e4) * (end - start)
  }

  /// As ``callAsFunction(_:)``, but moved to the nearer end from outside; nil only for NaN.
  func clamped(_ value: Double) -> Double? {
    if value.isNaN { return nil }
    let inside = min(max(value, low), high)
    return self(inside)
  }
}

extension Projection {
  /// An axis that shows `values`, with a margin of `padding` times their span at both ends. A margin does not cross
  /// zero: what is never negative should not look as if it could be.
  init(_ axis: Chart.Axis, values: some Sequence<Double>, padding: Double) {
    let isLogarithmic = axis.scale == .logarithmic
    if let range = axis.range {
      let low = range.lowerBound.limited, high = range.upperBound.limited
      self = isLogarithmic ? Projection(logarithmic: low...high) : Projection(linear: low...high)
      return
    }
    var low = Double.infinity, high = -Double.infinity
    for value in values where value.isFinite && (value > 0 || !isLogarithmic) {
      let limited = isLogarithmic ? max(value.limited, 1e-300) : value.limited
      low = min(low, limited)
      high = max(high, limited)
    }
    if low > high {
      self = isLogarithmic ? Projection(logarithmic: 1...10) : Projection(linear: 0...1)
      return
    }
    self =
      isLogarithmic
      ? Projection.logarithmic(low, high, padding: padding) : Projection.linear(low, high, padding: padding)
  }

  private static func linear(_ low: Double, _ high: Double, padding: Double) -> Projection {
    // Below a billionth of the values, a difference is rounding, and ticks would all read the same.
    let size = max(abs(low), abs(high))
    if high - low <= max(size * 1e-9, 1e-300) {
      let margin = size > 1e-290 ? size / 2 : 1
      return Projection(linear: (low - margin)...(high + margin))
    }
    let margin = (high - low) * padding
    let bottom = low >= 0 ? max(0, low - margin) : low - margin
    let top = high <= 0 ? min(0, high + margin) : high + margin
    return Projection(linear: bottom...top)
  }

  private static func logarithmic(_ low: Double, _ high: Double, padding: Double) -> Projection {
    let span = log10(high) - log10(low)
    if span < 1e-6 { return Projection(logarithmic: (low / 3)...(high * 3)) }
    let factor = pow(10, span * padding)
    return Projection(logarithmic: max(low / factor, 1e-300)...min(high * factor, 1e300))
  }
}

extension Double {
  /// Within ±1e300, so that differences and margins stay finite.
  var limited: Double { Swift.min(Swift.max(self, -1e300), 1e300) }
}
