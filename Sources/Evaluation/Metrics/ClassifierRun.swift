import Files
import Foundation

/// A classifier's training, epoch by epoch, and its result.
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

  /// The epochs with a test.
  package private(set) var epochs: [Epoch] = []
  /// The epoch, from 1, in which loss or weights became infinite or NaN; no epochs follow it.
  package private(set) var divergedIn: Int?
  /// From the epoch with the highest top-1, the first of equal ones.
  package private(set) var bestScore: ClassificationScore?
  package private(set) var best: Epoch?
  /// After the last test.
  package private(set) var lastScore: ClassificationScore?
  package var last: Epoch? { epochs.last }

  /// Of the current epoch.
  private var losses = 0.0
  private var steps = 0

  /// Returns the mean loss of the current epoch, and starts the next.
  func takeMeanLoss() -> Double {
    defer { (losses, steps) = (0, 0) }
    return losses / Double(max(1, steps))
  }

  /// Records a step of `epoch`, from 0; a loss that is not finite ends the trial.
  func note(loss: Double, epoch: Int) {
    losses += loss
    steps += 1
    if !loss.isFinite { divergedIn = epoch + 1 }
  }

  /// Takes over the results of an earlier session; their scores by class are not known any more.
  func resume(_ earlier: [Epoch]) {
    epochs = earlier
    for result in earlier where result.top1 > best?.top1 ?? -1 { best = result }
  }

  /// Records the score of a network whose epochs were all done in an earlier session.
  func finish(_ score: ClassificationScore?) { lastScore = score }

  /// Records the test after `epoch`, from 0; nil (weights or outputs that are not finite) ends the trial.
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

extension ClassifierRun {
  /// A sentence if the loss of the last epoch is more than ten times that of a guess, although nothing became infinite:
  /// the steps are so large that each undoes the last.
  /// - Parameters:
  ///   - classes: their number.
  ///   - rates: the learning rates with their options.
  package func warning(classes: Int, rates: String) -> String? {
    let guess = log(Double(classes))
    guard divergedIn == nil, let last, classes > 1, last.loss > 10 * guess else { return nil }
    return
      "\(rates): the loss of the last epoch is \(String(format: "%.3g", last.loss)), and that of "
      + "a guess among \(classes) classes \(fixed(guess, 2)): the learning rate is too high. Try a lower one."
  }
}
