import Files
import Methods

/// Warns when the features of a run stay collapsed, and again only after they had come back. Before training a network
/// gives nearly the same answer for every image too, so one measurement says nothing.
struct CollapseDetector {
  /// Measurements in a row after which it is no beginning any more.
  static let patience = 20
  private var streak = 0

  /// Whether nearly all queries of a batch are the same. Features that are not trained on the sphere itself may lie in a
  /// corner of it: those of pretext tasks come out of a ReLU, CPC's are the mean of an image's patches.
  static func isCollapsed(_ found: Diagnostics, _ config: RunConfig) -> Bool {
    config.method.isPretext || config.method == .cpc
      ? found.featureRank < 1.5
      : found.featureRank < min(3, 0.75 * Double(config.mocoDim)) || found.uniformity > -0.1
  }

  /// - Parameters:
  ///   - found: of the latest step.
  ///   - shape: of the queries that were looked at, N×C; a handful has a small rank by itself.
  ///   - config: the run's.
  mutating func warning(_ found: Diagnostics, of shape: [Int], _ config: RunConfig) -> String? {
    guard shape.count == 2, shape[0] >= 16 else { return nil }
    streak = CollapseDetector.isCollapsed(found, config) ? streak + 1 : 0
    guard streak == CollapseDetector.patience else { return nil }
    return "The features have collapsed: the queries of a batch fill \(fixed(found.featureRank, 1)) of "
      + "\(shape[1]) dimensions, at a uniformity of \(fixed(found.uniformity, 2)) (0: all are the same). "
      + CollapseDetector.cause(config)
  }

  private static func cause(_ config: RunConfig) -> String {
    if config.hasKeyEncoder, config.mocoM < 0.9 {
      return "The key encoder follows too fast: try --moco-m 0.99 or more (now \(config.mocoM))."
    }
    let rate = "a learning rate that is too high (--lr, now \(config.lr))"
    switch config.method {
    case .byol, .simSiam:
      return
        "No negatives hold features apart, only the predictor and batch normalisation. Probable causes: \(rate), "
        + "a batch that is too small to normalise (--batch-size, now \(config.batchSize)), or images that hardly differ."
    case .rotation, .jigsaw, .relativePosition:
      return
        "Probable causes: \(rate), or a task that these images do not answer, as a ball looks the same from all "
        + "sides."
    case .moco, .mocoV3, .simCLR, .instDisc, .cpc:
      return "Probable causes: \(rate), or images that hardly differ."
    }
  }
}
