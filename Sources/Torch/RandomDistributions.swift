import Foundation

extension CounterGenerator {
  /// N(0, 1), from two uniform numbers (Box and Muller 1958).
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()  // 1 − u lies in (0, 1]
    return radius * cos(2 * .pi * uniform())
  }

  /// Beta(α, α) on 0 ... 1.
  /// - Parameter alpha: Above 0. The smaller it is, the nearer to 0 or 1 are the draws; 1 is uniform.
  public mutating func beta(_ alpha: Double) -> Double {
    precondition(alpha > 0 && alpha.isFinite, "α = \(alpha) of a beta distribution")
    let (first, second) = (logGamma(alpha), logGamma(alpha))
    return 1 / (1 + exp(second - first))  // g₁ / (g₁ + g₂)
  }

  /// The logarithm of a draw from Gamma(shape, 1) by Marsaglia and Tsang (2000). A small shape's draws themselves would
  /// not fit into a Double.
  private mutating func logGamma(_ shape: Double) -> Double {
    guard shape >= 1 else { return logGamma(shape + 1) + log(1 - uniform()) / shape }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = pow(1 + c * x, 3)
      guard v > 0 else { continue }
      if log(1 - uniform()) < 0.5 * x * x + d - d * v + d * log(v) { return log(d * v) }
    }
  }
}
