import Data
import Distributed
import Files
import Foundation
import Methods
import Torch
import Weights

/// A run's parts, done once to measure them, on weights and images that are thrown away: the run itself begins as if
/// there had been none.
///
/// All ranks take part, and end by rank 0's clock, as its numbers count.
package struct Rehearsal {
  let config: RunConfig
  let dataset: Dataset
  let sampler: EpochSampler
  let monitor: KNNMonitor?
  let device: Device
  let context: RankContext
  let retries: ShardRetries
  /// The run's folder, which need not be there.
  let out: String
  let start: RunStart
  /// The start of the program.
  let began: ContinuousClock.Instant

  /// The steps that are made already.
  private var first: Int { start.state?.step ?? 0 }

  /// The number of steps of the whole run that ends within its minutes.
  /// - Throws: `UsageError` if not one ends in time.
  func steps(by timing: RunTiming) throws -> Int {
    var timing = timing
    // Given weights are measured before the first step, and a queue is filled by as many batches as it has room for.
    if config.initFile != nil, first == 0 { timing.beforeSteps += timing.knn ?? 0 }
    if start.fillsQueue {
      timing.beforeSteps += (timing.secondsPerStep.last ?? 0) * Double(config.mocoK / config.batchSize + 1)
    }
    return try timing.steps(of: config, stepsPerEpoch: sampler.batchesPerEpoch, after: first)
  }

  /// Measures.
  package func timing() throws -> RunTiming {
    let learner = try Learner(config, images: dataset.count, device: device, context: context)
    let started = ContinuousClock.now
    let images = try TrainingImages(config, dataset, sampler, on: device, retries: retries)
    let opening = seconds(since: started)  // once more for the run itself
    _ = try secondsOfEpochBegin(learner, 0)
    var timing = RunTiming(beforeSteps: 0, secondsPerStep: try secondsPerStep(learner, images))
    let epochs = try context.shared(epochs(by: timing.fastestStep))
    if epochs > 0 { timing.betweenEpochs = try secondsOfEpochBegin(learner, epochs) }
    if config.kind.keys.contains(where: { $0 == \MethodKeys.instDiscEpochs }), epochs > config.instDiscEpochs
    {
      // Its steps are others now.
      let others = try secondsPerStep(learner, images)
      timing.secondsPerStep = zip(timing.secondsPerStep, others).map { max($0, $1) }
    }
    timing.checkpoint = secondsOfCheckpoint(learner)
    if let monitor {
      try learner.shareStatistics()
      timing.knn = try monitor.seconds(of: learner.method.encoderQ, limit: max(2, 0.03 * all))
    }
    timing.beforeSteps = seconds(since: began) + opening
    return timing
  }

  /// Seconds of the run.
  private var all: Double { 60 * (config.minutes ?? 0) }

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    (ContinuousClock.now - start) / .seconds(1)
  }

  /// Of each size of views.
  private func secondsPerStep(_ learner: Learner, _ images: TrainingImages) throws -> [Double] {
    try config.viewSides.map { try secondsPerStep(learner, images.views(of: $0, from: first)) }
  }

  /// The mean of the steps in 1.5 % of the run's time, a minute at most, and of two at least. Those before are not counted:
  /// libraries choose their kernels, and the loader gets ahead.
  private func secondsPerStep(_ learner: Learner, _ source: ViewPipeline) throws -> Double {
    let share = min(60, 0.015 * all) / Double(config.viewSides.count)
    let opened = ContinuousClock.now
    var began: ContinuousClock.Instant?
    var timed = 0
    for number in 0... {
      if began == nil, number >= 2, !learner.isWarmingUp, number >= 5 || seconds(since: opened) > 0.01 * all {
        began = .now
      }
      guard let batch = try source.next() else { preconditionFailure("the images ended in a rehearsal") }
      let made: Learner.Step
      do {
        // At the rate 0 the weights stay as drawn, so that no rate can spoil the measurement.
        made = try learner.step(
          batch.views, samples: batch.samples, index: first + number, rate: 0, momentum: config.mocoM,
          isSaveDue: began.map { timed >= 1 && seconds(since: $0) >= share } ?? false,
          meanwhile: source.prepare)
      } catch is Divergence {
        return seconds(since: opened) / Double(number + 1)  // the run's own first step reports it
      }
      if context.isFirst, number.isMultiple(of: config.logEvery) {
        _ = try learner.diagnostics(of: made, count: first + number + 1)
      }
      if began != nil { timed += 1 }
      if made.isSaveDue { break }
    }
    guard let began else { return 0 }  // by another rank's clock
    return seconds(since: began) / Double(timed)
  }

  /// The most epochs that the run can have made at its end.
  private func epochs(by step: Double) -> Int {
    (first + Int(min(all / step, 1e12))) / sampler.batchesPerEpoch
  }

  private func secondsOfEpochBegin(_ learner: Learner, _ epoch: Int) throws -> Double {
    let started = ContinuousClock.now
    try withTorchErrors {
      _ = learner.method.epochBegins(epoch) { false }
      context.group.wait(for: device)
    }
    return seconds(since: started)
  }

  /// A checkpoint of rank 0. Where it cannot be written the run itself reports it.
  private func secondsOfCheckpoint(_ learner: Learner) -> Double {
    guard context.isFirst else { return 0 }
    let folder = out.withoutSlash
    let (place, isNew) = (folder + "/.rehearsal", !FileManager.default.fileExists(atPath: folder))
    defer {
      try? FileManager.default.removeItem(atPath: place)
      if isNew { rmdir(folder) }  // unless another program has begun to use it
    }
    let started = ContinuousClock.now
    do {
      guard try withTorchErrors({ learner.isFinite }) else { return 0 }
      try CheckpointStore(folder: place, keep: 1).save(
        model: learner.modelState, optimizer: learner.optimizerState,
        state: learner.savedState(config, step: 1), metadata: config.checkpointMetadata())
    } catch {
      return 0
    }
    return seconds(since: started)
  }
}
