import Files
import Images
import Methods

/// Warns if the contrastive task is solved without the images' content.
///
/// Batch statistics that reveal the positive key (He et al. 2020, section 3.3) have two signs: the
/// contrastive accuracy stays high while kNN falls, and the keys of a batch, which are adjacent in the queue,
/// are similar although queries are not.
package struct ShortcutDetector {
  /// The fall of kNN below its best, in percentage points, that is more than noise.
  package static let fall = 2.0
  /// The share of positives found from which the task counts as solved, and its noise.
  package static let won = 0.95, noise = 0.01
  /// The mean cosine of adjacent keys from which they count as equal.
  package static let alike = 0.95

  private var sum = 0.0
  private var count = 0
  private var best: (knn: Double, accuracy: Double)?
  private var hasWarned = false
  private var streak = 0

  /// - Parameter accuracy: The accuracy of a logged step, 0 … 1; nil for methods without positives.
  package mutating func note(_ accuracy: Double?) {
    guard let accuracy else { return }
    sum += accuracy
    count += 1
  }

  /// The warning after a kNN measurement, from the steps since the one before; given once until kNN has a new
  /// best.
  /// - Parameter knn: Top-1 in per cent.
  package mutating func warning(knn: Double, _ config: RunConfig, ranks: Int) -> String? {
    guard count > 0 else { return nil }
    let accuracy = sum / Double(count)
    (sum, count) = (0, 0)
    guard let best, knn < best.knn else {
      (self.best, hasWarned) = ((knn, accuracy), false)
      return nil
    }
    let isWon =
      accuracy > best.accuracy - ShortcutDetector.noise
      && (accuracy > ShortcutDetector.won || config.kind.isPretext)
    guard isWon, knn < best.knn - ShortcutDetector.fall, !hasWarned else { return nil }
    hasWarned = true
    let what = config.kind.isPretext ? "The task is answered right" : "The positive key is found"
    return
      "\(what) in \(fixed(accuracy * 100, 1)) % of the cases while kNN fell from \(fixed(best.knn, 1)) to "
      + "\(fixed(knn, 1)) %: \(cause(config, ranks))"
  }

  /// The warning about the queue; given after ``CollapseDetector/patience`` consecutive measurements.
  /// - Parameters:
  ///   - found: The diagnostics of the latest step.
  ///   - queries: The number of queries; the spread of a few has no meaning.
  ///   - step: The number of steps so far.
  package mutating func warning(
    _ found: Diagnostics, queries: Int, step: Int, _ config: RunConfig, ranks: Int
  ) -> String? {
    // A key encoder that has hardly changed yet gives nearly the same key for every image.
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
