import Files
import Foundation
import Torch
import Weights

/// A fine-tuning's state after each epoch, in a folder, so that the same command goes on where it was broken off.
package final class FineTuneCheckpoints {
  private let folder: String
  private let identity: String
  private let lock: FileLock
  private let store: CheckpointStore
  private var latest: Checkpoint?
  private var begun: TrainingState? { latest?.state }

  /// The number of epochs that are done.
  var epochsDone: Int { begun?.epoch ?? 0 }

  /// - Parameters:
  ///   - folder: Made if need be; it is locked while this object lives.
  ///   - identity: What the run's numbers depend on, in short: another one is refused.
  package init(_ folder: String, identity: String) throws {
    (self.folder, self.identity) = (folder, identity)
    store = try CheckpointStore(folder: folder, keep: 1)
    do {
      lock = try FileLock(folder.withoutSlash + "/.lock")
    } catch {
      throw FineTuneCheckpoints.error(error, folder)
    }
    latest = try store.loadLatest()
    guard let found = latest else { return }
    guard found.state?.configHash == identity else {
      throw UsageError(
        "--checkpoints \(folder): the folder belongs to another run: other options, images or first weights. Choose "
          + "another folder, or repeat that run's command to continue it.")
    }
  }

  private static func error(_ failure: FileLock.Failure, _ folder: String) -> any Error {
    switch failure {
    case .inUse:
      UsageError(
        "--checkpoints \(folder): another process is training with this folder. Wait for it, or choose another."
      )
    case .unwritable(let reason), .unlockable(let reason):
      RunError("--checkpoints \(folder): the folder cannot be locked: \(reason). Choose another.")
    }
  }

  /// Takes over the newest state, where there is one.
  func restore(_ tuner: FineTuner, _ trial: ClassifierRun) throws {
    guard let latest, let state = latest.state else { return }
    try restoreTensors(tuner.modelState, from: latest.model, in: latest.path)
    try restoreTensors(tuner.optimizerState, from: latest.optimizer, in: latest.path)
    tuner.restore(steps: state.optimizerSteps)
    trial.resume(state.testedEpochs)
  }

  /// Saves the state after an epoch, counted from 0.
  func save(_ tuner: FineTuner, _ trial: ClassifierRun, epoch: Int, seed: UInt64) throws {
    var state = TrainingState(
      step: tuner.steps, epoch: epoch + 1, batch: 0, seed: seed, configHash: identity)
    state.testedEpochs = trial.epochs
    try store.save(model: tuner.modelState, optimizer: tuner.optimizerState, state: state)
    latest = nil
  }
}

extension TrainingState {
  /// The results of the epochs with a test.
  fileprivate var testedEpochs: [ClassifierRun.Epoch] {
    get {
      let epochs = extra.keys.compactMap { $0.hasPrefix("top1-") ? Int($0.dropFirst(5)) : nil }.sorted()
      return epochs.map { epoch in
        func value(_ name: String) -> Double { extra["\(name)-\(epoch)"] ?? 0 }
        return ClassifierRun.Epoch(
          epoch: epoch, loss: value("loss"), top1: value("top1"), top5: value("top5"))
      }
    }
    set {
      for epoch in newValue {
        let values = [("loss", epoch.loss), ("top1", epoch.top1), ("top5", epoch.top5)]
        for (name, value) in values { extra["\(name)-\(epoch.epoch)"] = value }
      }
    }
  }
}
