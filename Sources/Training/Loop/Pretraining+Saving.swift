import Data
import Files
import Foundation
import Methods
import Torch
import Weights

// MARK: - Checkpoints

extension Pretraining {
  /// - Parameter loss: of the last step; nil before the first.
  func save(step: Int, loss: Double?) throws {
    guard lastSaved != step else { return }
    guard let store = writer?.store else { return noteSaved(step) }
    // The update after a finite loss can still overflow; such weights must not replace good ones.
    guard try withTorchErrors({ learner.isFinite }) else {
      throw diverged(Divergence(loss: .nan, rank: context.rank.number), step: step - 1)
    }
    let (epoch, batch) = step.quotientAndRemainder(dividingBy: sampler.batchesPerEpoch)
    var state = TrainingState(
      step: step, epoch: epoch, batch: batch, seed: config.seed,
      queuePointer: learner.method.dictionary?.pointer,
      configHash: try config.hash, optimizerSteps: learner.optimizer.steps, lastLoss: loss,
      mixing: sampler.mixing, data: fingerprint, kernels: kernels)
    state.stepsOfKeys = learner.stepsOfKeys
    try store.save(
      model: learner.modelState, optimizer: learner.optimizerState, state: state,
      metadata: try config.checkpointMetadata())
    noteSaved(step)
  }

  /// Those that the run began on: where it has gone on with others, it stays another run than one without a
  /// break.
  private var kernels: String? { resumed == nil ? Kernels.here(on: device) : resumed?.kernels }

  private func noteSaved(_ step: Int) {
    lastSaved = step
    lastSavedTime = ContinuousClock.now
  }

  /// An epoch can take days, but a crash should cost minutes. The clocks of ranks differ: rank 0's decides.
  var isLongSinceSaved: Bool { ContinuousClock.now - lastSavedTime > saveInterval }
}

// MARK: - Images that cannot be read

extension Pretraining {
  /// Reports the shards that broke; those of other ranks than the first with the next checkpoint.
  func warnOfShards(_ source: ViewPipeline, step: Int) throws {
    brokenShards += source.takeWarnings()
    guard context.isFirst else { return }
    for text in brokenShards { try reporter.warn(text, step: step) }
    brokenShards = []
  }

  /// Lists every rank's unreadable images and broken shards that were not listed yet.
  func noteUnread(of source: ViewPipeline, step: Int) throws {
    let new = Array(source.badFiles.dropFirst(reportedBadFiles))
    reportedBadFiles += new.count
    try note(bad: context.allGather(new).flatMap(\.self))
    let broken = try context.allGather(brokenShards).flatMap(\.self)
    brokenShards = []
    for text in broken { try reporter.warn(text, step: step) }
  }

  /// Adds new files to the list of bad files.
  func note(bad files: [BadFile]) throws {
    guard let folder = writer?.folder else { return }
    guard let count = try folder.note(bad: files) else { return }
    let kinds = files.contains { $0.images != nil } ? "shards and images" : "images"
    try reporter.warn(
      "\(kinds) that cannot be read: \(count). Others took their places; they are listed in \(folder.badFilesPath).",
      step: lastSaved ?? 0)
  }
}
