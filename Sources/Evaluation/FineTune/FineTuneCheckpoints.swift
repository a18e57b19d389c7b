import Files
import Foundation
import Torch
import Weights

/// A fine-tuning's state after each epoch, in a folder, so that the same command goes on where it was broken off.
package final class FineTuneCheckpoints {
  /// What a run's numbers depend on.
  package struct Origin {
    package let options: FineTuneIdentity
    /// Checksums of the training images with their labels, and of the first weights.
    package let images: UInt32
    package let weights: [UInt32]

    /// All in short.
    fileprivate var hash: String {
      let checksum = ([images] + weights).withUnsafeBytes { crc32($0) }
      return "\(options.hash)-\(String(checksum, radix: 16))"
    }

    private static let (optionsKey, imagesKey, weightsKey) = ("fine-tuning", "images", "first-weights")

    private var imagesText: String { String(images, radix: 16) }
    private var weightsText: String { String(weights.withUnsafeBytes { crc32($0) }, radix: 16) }

    /// As a checkpoint keeps it.
    fileprivate var metadata: [String: String] {
      [Self.optionsKey: options.text, Self.imagesKey: imagesText, Self.weightsKey: weightsText]
    }

    /// How another run's origin differs, as a part of a sentence. Images and first weights follow from the options too, so that
    /// they are named where these are the same.
    fileprivate func differences(_ metadata: [String: String]) -> String {
      let options = metadata[Self.optionsKey].flatMap { try? self.options.differences($0) } ?? []
      guard options.isEmpty else { return options.joined(separator: "; ") }
      func differs(_ key: String, _ mine: String) -> Bool { metadata[key].map { $0 != mine } ?? false }
      if differs(Self.imagesKey, imagesText) { return "other training images or labels" }
      if differs(Self.weightsKey, weightsText) { return "other first weights" }
      return "other options, images or first weights"
    }
  }

  private let folder: String
  private let origin: Origin
  private let lock: FileLock
  private let store: CheckpointStore
  private var latest: Checkpoint?
  private var begun: TrainingState? { latest?.state }

  /// The number of epochs that are done.
  var epochsDone: Int { begun?.epoch ?? 0 }

  /// - Parameters:
  ///   - folder: Made if need be; it is locked while this object lives.
  ///   - origin: Another one is refused.
  package init(_ folder: String, of origin: Origin) throws {
    (self.folder, self.origin) = (folder, origin)
    store = try CheckpointStore(folder: folder, keep: 1)
    do {
      lock = try FileLock(folder.withoutSlash + "/.lock")
    } catch {
      throw FineTuneCheckpoints.error(error, folder)
    }
    latest = try store.loadLatest()
    guard let found = latest else { return }
    guard found.state?.configHash == origin.hash else {
      throw UsageError(
        "--checkpoints \(folder): the folder belongs to another run (\(origin.differences(found.metadata))). Choose another "
          + "folder, or repeat that run's command to continue it.")
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
      step: tuner.steps, epoch: epoch + 1, batch: 0, seed: seed, configHash: origin.hash)
    state.testedEpochs = trial.epochs
    try store.save(
      model: tuner.modelState, optimizer: tuner.optimizerState, state: state, metadata: origin.metadata)
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
