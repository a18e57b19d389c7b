import Foundation

/// How the learning rate falls over training.
public enum LearningRateSchedule: Sendable, Equatable {
  /// base · ½(1 + cos(π·progress)): from base to 0.
  case cosine
  /// From 0 to base in a line over the first `warmUp` epochs, then by ``cosine`` over the rest; MoCo v3's, which
  /// counts the fraction of an epoch in every step.
  case cosineAfter(warmUp: Double)
  /// base · 0.1 for every milestone (in epochs) that is reached; MoCo v1's 120 and 160.
  case step(milestones: [Int])

  /// The rate in `epoch` (0-based; the fraction counts for cosine if the caller passes one).
  public func rate(base: Double, epoch: Double, epochs: Int) -> Double {
    switch self {
    case .cosine:
      precondition(epochs > 0, "epochs = \(epochs) must be at least 1")
      return base * 0.5 * (1 + cos(.pi * epoch / Double(epochs)))
    case .cosineAfter(let warmUp):
      precondition(warmUp < Double(epochs), "\(warmUp) epochs of warm-up in \(epochs) leave none to learn in")
      guard epoch >= warmUp else { return base * epoch / warmUp }
      return base * 0.5 * (1 + cos(.pi * (epoch - warmUp) / (Double(epochs) - warmUp)))
    case .step(let milestones):
      return milestones.reduce(base) { rate, milestone in epoch >= Double(milestone) ? rate * 0.1 : rate }
    }
  }
}
