/// A classifier's training, epoch by epoch, and what became of it.
package class ClassifierRun {
  package struct Epoch: Equatable, Sendable, Codable {
    /// From 1.
    package let epoch: Int
    /// The mean over its steps.
    package let loss: Double
    /// On the test images, in per cent.
    package let top1: Double
    package let top5: Double
  }

  /// Those after which it was tested.
  package private(set) var epochs: [Epoch] = []
  /// The epoch, from 1, in which loss or weights became infinite or NaN; it has no later ones.
  package private(set) var divergedIn: Int?
  /// In the epoch of the highest top-1, the first of equal ones.
  package private(set) var bestScore: ClassificationScore?
  package private(set) var best: Epoch?
  /// After the last test.
  package private(set) var lastScore: ClassificationScore?
  package var last: Epoch? { epochs.last }

  /// Of the running epoch.
  private var losses = 0.0
  private var steps = 0

  /// The mean loss of the running epoch, and the start of the next.
  func takeMeanLoss() -> Double {
    defer { (losses, steps) = (0, 0) }
    return losses / Double(max(1, steps))
  }

  /// Notes a step of `epoch`, from 0; a loss that is no number ends the trial.
  func note(loss: Double, epoch: Int) {
    losses += loss
    steps += 1
    if !loss.isFinite { divergedIn = epoch + 1 }
  }

  /// Notes the test after `epoch`, from 0; nil where weights or outputs are no numbers, which ends the trial.
  func note(_ score: ClassificationScore?, epoch: Int, loss: Double) {
    guard let score else {
      divergedIn = epoch + 1
      return
    }
    let result = Epoch(epoch: epoch + 1, loss: loss, top1: score.top1, top5: score.top5)
    epochs.append(result)
    lastScore = score
    if result.top1 > best?.top1 ?? -1 { (best, bestScore) = (result, score) }
  }
}
