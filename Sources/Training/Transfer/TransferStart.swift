import Data
import Files
import Foundation
import Methods
import Models
import Torch
import Weights

/// How a session of a task's run starts; found by rank 0.
struct TransferStart: Codable {
  /// Nil where the run begins.
  var state: TrainingState?
  /// Sentences for the user about the weights it starts from.
  var notes: [String] = []
  var warnings: [String] = []
  var isFromElsewhere = false
  /// The origin of each tensor, a line each, where weights were given.
  var origins: [String] = []

  init() {}

  // MARK: - Before anything is opened

  /// In a folder that was begun by the same option, its own run is continued.
  static func resolved<Config: TransferConfig>(
    _ resume: Pretraining.Resume, in out: String, as type: Config.Type
  ) -> Pretraining.Resume {
    guard case .from(let path) = resume else { return resume }
    let begun = RunFolder.config(out, as: type)
    return begun?.carriedFrom == path.withoutSlash ? .auto : resume
  }

  /// The configuration with which a run goes on: the origin of its first weights is that of the run.
  static func continuing<Config: TransferConfig>(
    _ config: Config, _ out: String, resume: Pretraining.Resume
  ) -> Config {
    var config = config
    switch resume {
    case .never: break
    case .auto:
      let begun = RunFolder.config(out, as: Config.self)
      config.carriedFrom = begun?.carriedFrom
      guard let file = begun?.initFile,
        config.initFile == nil || config.initFile?.withoutSlash.lastPathPart == file.withoutSlash.lastPathPart
      else { break }
      (config.initFile, config.initDigest) = (file, begun?.initDigest)
    case .from(let path):
      config.carriedFrom = path.withoutSlash
      let old = try? Config(ofCheckpoint: path)
      (config.initFile, config.initDigest) = (old?.initFile, old?.initDigest)
    }
    return config
  }

  /// The weights of CHECKPOINT or `--init`, where the run begins now; nil for random ones.
  static func weights<Config: TransferConfig>(
    _ config: Config, for out: String, resume: Pretraining.Resume
  ) throws -> InitialWeights? {
    if case .from = resume { return nil }
    guard !RunFolder.hasCheckpoint(out) else { return nil }
    guard let path = config.initFile else {
      throw UsageError(
        "CHECKPOINT is missing: the weights to start from. Give a run or a file of weights, or --init random."
      )
    }
    guard path != Config.random else { return nil }
    let weights = try InitialWeights(path)
    if let wanted = config.initDigest, wanted != weights.digest {
      throw UsageError(
        "--init \(path): the file has the checksum \(weights.digest), and --init-digest is \(wanted). It has changed; "
          + "give the old file, or leave --init-digest out.")
    }
    return weights
  }

  // MARK: - Opening

  /// Gives the learner its weights: of another run, of a file, of the run's newest checkpoint, or those that were drawn.
  /// - Returns: the run's folder, where it was opened for that.
  static func open<Task: TransferTask>(
    _ learner: TransferLearner<Task>, _ config: Task.Config, _ train: Task.Dataset, out: String,
    resume: Pretraining.Resume, weights: InitialWeights?, fingerprint: UInt32
  ) throws -> (start: TransferStart, writer: RunWriter?) {
    var start = TransferStart()
    if case .from(let path) = resume {
      try start.carry(path, learner, config, train, fingerprint)
      return (start, nil)
    }
    if let weights {
      let found = try withTorchErrors {
        try TransferWeights(weights, learner.spec, state: learner.model.state)
      }
      try withTorchErrors { found.copy(into: learner.model.state) }
      (start.notes, start.origins, start.warnings) = (found.notes, found.lines, weights.warnings)
      return (start, nil)
    }
    let isBegun = RunFolder.config(out, as: Task.Config.self) == nil
    let writer = try RunWriter(out, config, keep: config.keep, isBegun: isBegun)
    guard let checkpoint = try writer.store.loadLatest() else {
      start.notes = ["all weights are drawn at random"]
      return (start, writer)
    }
    try start.restore(checkpoint, learner, config, fingerprint)
    return (start, writer)
  }

  private mutating func restore<Task: TransferTask>(
    _ checkpoint: Checkpoint, _ learner: TransferLearner<Task>, _ config: Task.Config,
    _ fingerprint: UInt32
  ) throws {
    guard let state = checkpoint.state else { throw Learner.weightsOnly(checkpoint.path) }
    let differences = try Task.Config(checkpoint).differences(from: config)
    guard differences.isEmpty else {
      throw UsageError(
        "\(checkpoint.path) belongs to another run (\(differences.joined(separator: "; "))). Choose another --out."
      )
    }
    guard state.isOn(data: fingerprint) else {
      throw UsageError(
        "\(checkpoint.path) belongs to a run on other images or annotations. Restore that data set, or carry the run on "
          + "with these in a new folder: --resume \(checkpoint.path) --out NEW.")
    }
    try learner.restore(checkpoint)
    (self.state, warnings) = (state, checkpoint.warnings)
  }

  /// Goes on from another run's checkpoint, with other settings or images.
  private mutating func carry<Task: TransferTask>(
    _ path: String, _ learner: TransferLearner<Task>, _ config: Task.Config, _ train: Task.Dataset,
    _ fingerprint: UInt32
  ) throws {
    let checkpoint = try Checkpoint.load(path)
    guard let old = checkpoint.state else { throw Learner.weightsOnly(path) }
    let metadata = try TransferMetadata<Task>(checkpoint)
    guard metadata.classes == train.classNames else {
      throw UsageError(
        "--resume \(path): that run has other classes than \(train.spec). Start a new run from its weights: --init \(path)."
      )
    }
    try learner.restore(checkpoint)
    let changes = try Task.Config(checkpoint).changes(to: config)
    notes = ["goes on from \(path) after step \(old.step)"]
    notes += changes.map { "\($0.key): \($0.old) there, \($0.new) from now on" }
    var state = TrainingState(
      step: old.step, epoch: old.epoch, batch: old.batch, seed: config.seed, queuePointer: nil,
      configHash: try config.hash,
      optimizerSteps: old.optimizerSteps, lastLoss: old.lastLoss, mixing: nil, data: fingerprint,
      kernels: Kernels.here(on: learner.device))
    state.hasPreciseStatistics = old.hasPreciseStatistics
    (self.state, warnings, isFromElsewhere) = (state, checkpoint.warnings, true)
  }
}

extension TrainingState {
  private static let preciseName = "precise-bn"

  /// Whether batch normalisation's statistics are those of whole batches.
  var hasPreciseStatistics: Bool {
    get { extra[TrainingState.preciseName] == 1 }
    set { extra[TrainingState.preciseName] = newValue ? 1 : nil }
  }
}
