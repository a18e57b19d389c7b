import Files

/// A number over several runs that differ in their seed.
struct Spread: Equatable {
  let mean: Double
  /// The sample's standard deviation; nil for a single run.
  let deviation: Double?
  /// The number of runs.
  let count: Int

  /// - Returns: nil without a value.
  init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    count = values.count
    let mean = values.reduce(0, +) / Double(count)
    self.mean = mean
    deviation =
      count < 2
      ? nil : (values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(count - 1)).squareRoot()
  }

  /// `57.0 ± 0.2`, or `57.0` of a single run.
  func text(_ digits: Int) -> String {
    fixed(mean, digits) + (deviation.map { " ± \(fixed($0, digits))" } ?? "")
  }
}
