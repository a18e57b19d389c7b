import Foundation

/// A marked value on an axis. A minor tick has no label.
struct Tick: Equatable {
  let value: Double
  let label: String

  var isMinor: Bool { label.isEmpty }
}

/// `significand` x 10^`exponent`: a tick's value without rounding, so that its label is exact.
struct DecimalNumber {
  var significand: Int
  var exponent: Int

  /// The nearest Double: powers of ten up to 22 are exact, and one division rounds once.
  var value: Double {
    exponent >= 0
      ? Double(significand) * pow(10, Double(exponent)) : Double(significand) / pow(10, -Double(exponent))
  }
}

/// How the numbers of an axis are written.
enum Notation {
  case plain, thousands, millions, scientific

  /// The notation for an axis whose largest tick has this magnitude.
  init(largest magnitude: Double) {
    switch magnitude {
    case 0, 0.009_999..<9_999: self = .plain
    case 9_999..<999_999: self = .thousands
    case 999_999..<0.999_999e9: self = .millions
    default: self = .scientific
    }
  }

  func callAsFunction(_ number: DecimalNumber) -> String {
    if number.significand == 0 { return "0" }
    let sign = number.significand < 0 ? "−" : ""
    let digits = String(number.significand.magnitude)
    switch self {
    case .plain: return sign + Notation.positional(digits, number.exponent)
    case .thousands: return sign + Notation.positional(digits, number.exponent - 3) + "k"
    case .millions: return sign + Notation.positional(digits, number.exponent - 6) + "M"
    case .scientific:
      let kept = String(digits.reversed().drop { $0 == "0" }.reversed())
      let mantissa = Notation.positional(kept, 1 - kept.count)
      return sign + mantissa + "e" + String(number.exponent + digits.count - 1)
    }
  }

  /// `digits` x 10^`exponent` with a decimal point where it is needed.
  private static func positional(_ digits: String, _ exponent: Int) -> String {
    if exponent >= 0 { return digits + String(repeating: "0", count: exponent) }
    let padded = String(repeating: "0", count: max(0, 1 - exponent - digits.count)) + digits
    return padded.dropLast(-exponent) + "." + padded.suffix(-exponent)
  }
}

extension Tick {
  /// Multiples of 1, 2 or 5 times a power of ten within `low...high`, in at most `count` steps of at least `leastStep`.
  static func linear(_ low: Double, _ high: Double, count: Int, leastStep: Double = 0) -> [Tick] {
    let rough = max((high - low) / Double(max(1, count)), leastStep)
    guard rough > 0, rough.isFinite else { return [] }
    var exponent = Int(log10(rough).rounded(.down))
    let leading = rough / DecimalNumber(significand: 1, exponent: exponent).value
    // Rounding must not turn a step of exactly 2 into 5.
    var digit = [1, 2, 5].first { leading <= Double($0) * (1 + 1e-9) } ?? 10
    if digit == 10 { (digit, exponent) = (1, exponent + 1) }

    let step = DecimalNumber(significand: digit, exponent: exponent).value
    let first = (low / step - 1e-6).rounded(.up), last = (high / step + 1e-6).rounded(.down)
    guard first <= last, abs(first) < 1e12, abs(last) < 1e12 else { return [] }
    let notation = Notation(largest: max(abs(first), abs(last)) * step)
    return (Int(first)...Int(last)).map {
      let number = DecimalNumber(significand: $0 * digit, exponent: exponent)
      return Tick(value: number.value, label: notation(number))
    }
  }

  /// Powers of ten within `low...high`, at most about `count` of them; with room also 2 and 5 times these, else minor
  /// ticks between. Less than one power of ten is marked as a linear axis is.
  static func logarithmic(_ low: Double, _ high: Double, count: Int) -> [Tick] {
    let first = Int((log10(low) - 1e-9).rounded(.up)), last = Int((log10(high) + 1e-9).rounded(.down))
    let decades = last - first + 1
    if log10(high / low) < 1.2 { return linear(low, high, count: count) }

    let stride = max(1, (decades + count - 1) / max(1, count))
    let labelled: Set<Int> = decades * 3 <= count + 2 ? [1, 2, 5] : [1]
    let digits = stride == 1 ? (decades <= 6 ? Array(1...9) : [1]) : [1]
    var ticks: [Tick] = []
    for exponent in (first - 1)...last where exponent % stride == 0 {
      for digit in digits {
        let number = DecimalNumber(significand: digit, exponent: exponent)
        guard number.value >= low * (1 - 1e-9), number.value <= high * (1 + 1e-9) else { continue }
        let label = labelled.contains(digit) ? Notation(largest: number.value)(number) : ""
        ticks.append(Tick(value: number.value, label: label))
      }
    }
    return ticks
  }
}

extension Projection {
  /// The ticks of this axis in at most about `count` steps.
  func ticks(count: Int, leastStep: Double = 0) -> [Tick] {
    isLogarithmic
      ? Tick.logarithmic(low, high, count: count)
      : Tick.linear(low, high, count: count, leastStep: leastStep)
  }

  /// Those of `chosen` that this axis shows.
  func ticks(_ chosen: [Double]) -> [Tick] {
    chosen.filter { $0 >= low && $0 <= high }.map { Tick(value: $0, label: Notation.exact($0)) }
  }
}

extension Notation {
  /// The shortest number that reads back as `value`; whole numbers without a point.
  static func exact(_ value: Double) -> String {
    let text = "\(value == 0 ? 0 : value)"
    let plain = text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    return plain.hasPrefix("-") ? "−" + plain.dropFirst() : plain
  }
}
