import Files
import Methods

/// Warns if the features of a run stay collapsed, and again only after a recovery. An untrained network also
/// gives nearly the same output for every image, so one measurement is not enough.
struct CollapseDetector {
  /// The number of consecutive measurements after which it is no longer the start of training.
  static let patience = 20
  private var streak = 0
  /// The same for an encoder that jumps, which an untrained one does not do.
  static let patienceWithJumps = 3
  private var jumps = 0

  /// Whether nearly all queries of a batch are the same. Features that are not trained on the sphere may lie
  /// in a corner of it: those of pretext tasks are the output of a ReLU, CPC's are the mean of an image's
  /// patches.
  static func isCollapsed(_ found: Diagnostics, _ config: RunConfig) -> Bool {
    config.kind.trainsOnSphere
      ? found.featureRank < min(3, 0.75 * Double(config.mocoDim)) || found.uniformity > -0.1
      : found.featureRank < 1.5
  }

  /// Whether all queries of a batch are the same while the keys, from the same network some steps before, lie elsewhere:
  /// then steps are so large that the network is another one each time. Queries and keys of an untrained network are
  /// alike. Where a predictor makes the queries, as in BYOL, they begin elsewhere.
  static func isJumping(_ found: Diagnostics, _ config: RunConfig) -> Bool {
    config.kind.hasQueue && found.uniformity > -0.01 && found.alignment > 0.25
  }

  /// - Parameters:
  ///   - found: The diagnostics of the latest step.
  ///   - shape: The shape of the queries, N×C; a few queries always have a small rank.
  ///   - config: The configuration of the run.
  mutating func warning(_ found: Diagnostics, of shape: [Int], _ config: RunConfig) -> String? {
    guard shape.count == 2, shape[0] >= 16 else { return nil }
    streak = CollapseDetector.isCollapsed(found, config) ? streak + 1 : 0
    jumps = CollapseDetector.isJumping(found, config) ? jumps + 1 : 0
    if jumps == CollapseDetector.patienceWithJumps, streak <= CollapseDetector.patience {
      streak = CollapseDetector.patience  // said already
      return "The features have collapsed: all queries of a batch are the same (uniformity "
        + "\(fixed(found.uniformity, 2))), and their keys lie elsewhere (alignment \(fixed(found.alignment, 1)) of 0 to 4). "
        + "The encoder jumps from step to step: the learning rate is too high (--lr, now \(config.lr))."
    }
    guard streak == CollapseDetector.patience else { return nil }
    return "The features have collapsed: the queries of a batch fill \(fixed(found.featureRank, 1)) of "
      + "\(shape[1]) dimensions, at a uniformity of \(fixed(found.uniformity, 2)) (0: all are the same). "
      + CollapseDetector.cause(config)
  }

  private static func cause(_ config: RunConfig) -> String {
    config.kind.hasKeyEncoder && config.mocoM < 0.9
      ? "The key encoder follows too fast: try --moco-m 0.99 or more (now \(config.mocoM))."
      : config.kind.collapseCause(config, config.facts(images: .max, ranks: 1))
  }
}
