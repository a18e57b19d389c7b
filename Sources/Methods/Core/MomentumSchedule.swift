import Foundation

/// The course of the key encoder's momentum *m* over training.
public enum MomentumSchedule: Sendable, Equatable {
  case constant
  /// 1 − (1 − m)·½(1 + cos(π·progress)): from m to 1 (Grill et al. 2020, section 3.2; MoCo v3).
  case cosineToOne

  /// - Parameters:
  ///   - base: *m* at the start, 0 … 1.
  ///   - progress: The completed share of training, 0 … 1.
  public func momentum(base: Double, progress: Double) -> Double {
    precondition((0...1).contains(progress), "progress \(progress) must be between 0 and 1")
    return switch self {
    case .constant: base
    case .cosineToOne: 1 - (1 - base) * 0.5 * (1 + cos(.pi * progress))
    }
  }
}
