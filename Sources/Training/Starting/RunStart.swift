import Data
import Files
import Foundation
import Methods
import Torch
import Weights

/// How a session of a run starts; found by rank 0.
struct RunStart: Codable {
  /// Nil where the run begins.
  var state: TrainingState?
  /// Sentences for the user about a start from given weights or from another run.
  var notes: [String] = []
  var warnings: [String] = []
  /// Whether the dictionary is to be filled before the first step.
  var fillsQueue = false
  /// Whether the run's own folder does not hold this start yet.
  var isFromElsewhere = false

  init() {}

  /// From given weights, or from another run's checkpoint; nil where the run's own folder decides. The learner then
  /// has this start.
  init?(
    _ learner: Learner, _ config: RunConfig, _ resume: Pretraining.Resume, _ weights: InitialWeights?,
    _ dataset: Dataset, _ fingerprint: UInt32
  ) throws {
    isFromElsewhere = true
    if case .from(let path) = resume {
      let checkpoint = try Checkpoint.load(path)
      let carried = try learner.carry(checkpoint, config: config, dataset: dataset, fingerprint: fingerprint)
      (state, notes, fillsQueue) = (carried.state, carried.notes, carried.fillsQueue)
      warnings = checkpoint.warnings
    } else if let weights {
      notes = try learner.start(from: weights, config: config)
      warnings = weights.warnings
    } else {
      return nil
    }
  }
}

/// The folder and the checkpoints of rank 0.
struct RunWriter {
  let folder: RunFolder
  let store: CheckpointStore

  /// - Parameter isBegun: Whether the configuration is written at once. A run that goes on from another one has it when
  ///   its first checkpoint is there: without that, it would begin anew.
  init(_ out: String, _ config: some CommandConfig, keep: Int, isBegun: Bool) throws {
    folder = try RunFolder(out)
    if isBegun { try folder.write(config) }
    store = try CheckpointStore(folder: folder.checkpointsPath, keep: keep)
  }

  /// Opens the run's own folder, and gives the learner its newest checkpoint.
  static func continuing(_ out: String, _ learner: Learner, _ config: RunConfig, _ fingerprint: UInt32) throws
    -> (
      writer: RunWriter, start: RunStart
    )
  {
    let writer = try RunWriter(out, config, keep: config.keep, isBegun: RunFolder.config(out) == nil)
    var start = RunStart()
    guard let checkpoint = try writer.store.loadLatest() else { return (writer, start) }
    start.state = try learner.restore(checkpoint, config: config, data: fingerprint)
    start.warnings = checkpoint.warnings
    return (writer, start)
  }
}

extension Pretraining.Resume {
  /// In a folder that was begun by the same option, its own run is continued.
  package func resolved(in out: String) -> Pretraining.Resume {
    guard case .from(let path) = self else { return self }
    return RunFolder.config(out)?.carriedFrom == path.withoutSlash ? .auto : self
  }
}

extension RunConfig {
  /// The weights of `--init`, where the run begins now; nil where none are given, or its folder has a checkpoint.
  /// - Throws: `UsageError` where they are not those of ``RunKeys/initDigest``, and the errors of ``InitialWeights``.
  func initialWeights(for out: String, resume: Pretraining.Resume) throws -> InitialWeights? {
    guard let path = self.initFile, resume == .auto || resume == .never, !RunFolder.hasCheckpoint(out) else {
      return nil
    }
    let weights = try InitialWeights(path)
    if let wanted = self.initDigest, wanted != weights.digest {
      throw UsageError(
        "--init \(path): the file has the checksum \(weights.digest), and --init-digest is \(wanted). It has changed; "
          + "give the old file, or leave --init-digest out.")
    }
    return weights
  }
}

extension Learner {
  /// Fills the dictionary, with progress on the console.
  func fillDictionary(_ config: RunConfig, _ dataset: Dataset, _ sampler: EpochSampler, _ console: Console)
    throws
  {
    let transform = config.transform
    let loader = DataLoader(
      dataset, views: transform.views, sampler: sampler, workers: config.workerCount,
      epoch: Learner.fillingEpoch,
      batch: 0, maxBad: config.maxBad, retries: ShardRetries(count: config.retries), device: device)
    let source = ViewPipeline(loader, sampler: sampler, transform: transform, device: device)
    let start = ContinuousClock.now
    try fillDictionary(from: source, batchSize: config.batchSize) { done, all in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if seconds > 2 { console.show(Console.Count(done: done, total: all, seconds: seconds, unit: "keys")) }
    }
    console.finish()
  }
}
