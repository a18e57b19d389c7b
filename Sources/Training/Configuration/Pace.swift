import Methods
import Torch

/// What changes from step to step.
package struct Pace: Equatable {
  /// The learning rate.
  package var rate: Double
  /// The key encoder's momentum *m*.
  package var momentum: Double
}

extension RunConfig {
  /// Steps that the whole run has.
  package func totalSteps(of stepsPerEpoch: Int) -> Int { min(steps ?? .max, epochs * stepsPerEpoch) }

  /// The same of a data set: an epoch leaves out what does not fill a batch.
  package func totalSteps(images: Int) -> Int { totalSteps(of: images / batchSize) }

  /// The pace of a step, counted from 0. The learning rate of MoCo v3, and with a warm-up, changes in every step;
  /// that of the others in every epoch, as in the published code.
  package func pace(step: Int, stepsPerEpoch: Int) -> Pace {
    let epoch = Double(step) / Double(stepsPerEpoch)
    let isPerStep = schedule == .cosine && (method == .mocoV3 || warmupEpochs > 0)
    let schedule = isPerStep ? LearningRateSchedule.cosineAfter(warmUp: warmupEpochs) : schedule.rate
    return Pace(
      rate: schedule.rate(base: lr, epoch: isPerStep ? epoch : epoch.rounded(.down), epochs: epochs),
      momentum: (mocoMCos ? MomentumSchedule.cosineToOne : .constant)
        .momentum(base: mocoM, progress: min(1, epoch / Double(epochs))))
  }
}
