import MomentumContrast

/// Warns once a run when its features stay collapsed. Before training a network gives nearly the same answer for every
/// image too, so one measurement says nothing.
struct CollapseWatch {
  /// Measurements in a row after which it is no beginning any more.
  static let patience = 20
  private var streak = 0

  /// Whether nearly all queries of a batch are the same.
  static func isCollapsed(_ found: Diagnostics) -> Bool { found.featureRank < 2 || found.uniformity > -0.1 }

  /// - Parameters:
  ///   - found: of the latest step.
  ///   - queries: that were looked at; a handful has a small rank by itself.
  ///   - config: the run's.
  mutating func warning(_ found: Diagnostics, queries: Int, _ config: RunConfig) -> String? {
    guard queries >= 8 else { return nil }
    streak = CollapseWatch.isCollapsed(found) ? streak + 1 : 0
    guard streak == CollapseWatch.patience else { return nil }
    let cause =
      config.mocoM < 0.9
      ? "The key encoder follows too fast: try --moco-m 0.99 or more (now \(config.mocoM))."
      : "Probable causes: a learning rate that is too high (--lr, now \(config.lr)), or images that hardly differ."
    return "The features have collapsed: the queries of a batch fill \(fixed(found.featureRank, 1)) of "
      + "\(config.mocoDim) dimensions, at a uniformity of \(fixed(found.uniformity, 2)) (0: all are the same). "
      + cause
  }
}
