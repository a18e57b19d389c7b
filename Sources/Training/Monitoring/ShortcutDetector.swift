import Files
import Images
import Methods

/// Warns where the contrast is won by something else than what the images show.
///
/// Batch statistics that give the positive key away (He et al. 2020, section 3.3) have two signs: the contrast stays won
/// while kNN falls, and the keys of a batch, which are neighbours in the queue, are alike although queries are not.
package struct ShortcutDetector {
  /// Points below its best that are no noise of kNN.
  package static let fall = 2.0
  /// The share of positives found from which a contrast counts as won, and how much of it is noise.
  package static let won = 0.95, noise = 0.01
  /// The mean cosine of neighbours from which keys hardly differ.
  package static let alike = 0.95

  private var sum = 0.0
  private var count = 0
  private var best: (knn: Double, accuracy: Double)?
  private var hasWarned = false
  private var streak = 0

  /// - Parameter accuracy: of a logged step, 0 … 1; nothing for methods that look nothing up.
  package mutating func note(_ accuracy: Double?) {
    guard let accuracy else { return }
    sum += accuracy
    count += 1
  }

  /// What a measurement of kNN shows beside the steps since the one before; said once until kNN has a new best.
  /// - Parameter knn: top-1 in percent.
  package mutating func warning(knn: Double, _ config: RunConfig, ranks: Int) -> String? {
    guard count > 0 else { return nil }
    let accuracy = sum / Double(count)
    (sum, count) = (0, 0)
    guard let best, knn < best.knn else {
      (self.best, hasWarned) = ((knn, accuracy), false)
      return nil
    }
    let isWon =
      accuracy > best.accuracy - ShortcutDetector.noise && (accuracy > ShortcutDetector.won || config.kind.isPretext)
    guard isWon, knn < best.knn - ShortcutDetector.fall, !hasWarned else { return nil }
    hasWarned = true
    let what = config.kind.isPretext ? "The task is answered right" : "The positive key is found"
    return
      "\(what) in \(fixed(accuracy * 100, 1)) % of the cases while kNN fell from \(fixed(best.knn, 1)) to "
      + "\(fixed(knn, 1)) %: \(cause(config, ranks))"
  }

  /// What the queue shows; said when it has shown so for ``CollapseDetector/patience`` measurements in a row.
  /// - Parameters:
  ///   - found: of the latest step.
  ///   - queries: that were looked at; a handful says nothing of their spread.
  ///   - step: steps made so far.
  package mutating func warning(
    _ found: Diagnostics, queries: Int, step: Int, _ config: RunConfig, ranks: Int
  ) -> String? {
    // A key encoder that has hardly moved yet gives nearly the same key for every image.
    guard let similarity = found.queueSimilarity, queries >= 8, Double(step) * (1 - config.mocoM) > 3 else {
      return nil
    }
    let isMarked = similarity > ShortcutDetector.alike && !CollapseDetector.isCollapsed(found, config)
    streak = isMarked ? streak + 1 : 0
    guard streak == CollapseDetector.patience else { return nil }
    return "Neighbouring keys in the queue, which are of one batch, hardly differ (mean cosine "
      + "\(fixed(similarity, 2))) although queries do (uniformity \(fixed(found.uniformity, 2))): "
      + cause(config, ranks)
  }

  private func cause(_ config: RunConfig, _ ranks: Int) -> String {
    config.kind.shortcutCause(config, config.facts(images: .max, ranks: ranks))
  }
}
