/// A learning rate that rises linearly at the start, and falls by a factor at some steps: detectron2's
/// `WarmupMultiStepLR` (Goyal et al. 2017, section 2.2).
public struct WarmupMultiStep: Sendable, Equatable {
  /// The rate behind the warm-up.
  public var base: Double
  /// The steps, counted from 0, from which on the rate has fallen once more.
  public var milestones: [Int]
  /// What the rate is multiplied by at each.
  public var gamma: Double
  /// Steps of the warm-up.
  public var warmUp: Int
  /// The share of the base rate in step 0.
  public var warmUpFactor: Double

  public init(
    base: Double, milestones: [Int], gamma: Double = 0.1, warmUp: Int = 1000, warmUpFactor: Double = 0.001
  ) {
    (self.base, self.milestones, self.gamma) = (base, milestones, gamma)
    (self.warmUp, self.warmUpFactor) = (warmUp, warmUpFactor)
  }

  /// The rate of a step, counted from 0. The warm-up ends at the rate that holds where it ends.
  public func rate(step: Int) -> Double {
    guard step < warmUp else { return fallen(step) }
    let (start, end) = (base * warmUpFactor, fallen(warmUp))
    return start + (end - start) * Double(step) / Double(warmUp)
  }

  private func fallen(_ step: Int) -> Double {
    milestones.reduce(base) { $1 <= step ? $0 * gamma : $0 }
  }
}
