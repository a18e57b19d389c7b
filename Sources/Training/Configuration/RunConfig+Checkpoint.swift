import Files
import Foundation
import Methods
import Weights

extension RunConfig {
  /// The configuration in a checkpoint. (JSON is YAML.)
  package init(_ checkpoint: Checkpoint) throws {
    try self.init(metadata: checkpoint.metadata, of: checkpoint.path)
  }

  /// The configuration of the run at a path that leads to a checkpoint.
  package init(ofCheckpoint path: String) throws {
    try self.init(metadata: Checkpoint.metadata(of: path), of: path)
  }

  private init(metadata: [String: String], of path: String) throws {
    guard let text = metadata["config"] else {
      throw RunError("\(path): no run wrote this file; it holds an encoder only.")
    }
    try self.init(yaml: text, source: path)
  }

  /// The configuration of the run that made an encoder; for imported weights the defaults with its network.
  package init(_ encoder: TrainedEncoder) throws {
    if let text = encoder.config {
      try self.init(yaml: text, source: encoder.path)
      return
    }
    self.init()
    let spec = encoder.spec
    (self.arch, self.stem, self.heads, self.imageSize) = (spec.arch, spec.stem, spec.heads, spec.imageSize)
  }

  /// The options of a run that is carried into a new folder, where no recipe is named: those of the folder's own run
  /// if it was begun so, else those of the other run. What concerns only the machine or the length in steps stays
  /// behind, unless the steps are the run's length: by its schedule, or as decided from its minutes.
  package init(carrying path: String, to out: String) throws {
    if case .auto = Pretraining.Resume.from(path).resolved(in: out), let begun = RunFolder.config(out) {
      self = begun
    } else {
      guard try Checkpoint.metadata(of: path)["config"] != nil else { throw Learner.weightsOnly(path) }
      self = try RunConfig(ofCheckpoint: path)
    }
    (self.device, self.workers) = (RunKeys.table.device.defaultValue, nil)
    if case .step = self.schedule { return }
    if self.minutes == nil { self.steps = nil }
  }

  /// The configuration with which a run goes on: the steps that were decided from its minutes stay, groups of batch
  /// normalisation keep the meaning that they had when it began, samples of more than 8 bits become the same levels
  /// unless given otherwise, and the origin of its first weights is that of the run. Without a run in the folder, or a readable one, it stays as it is.
  /// - Parameters:
  ///   - out: The run's folder.
  ///   - resume: How to treat an existing run, as ``Pretraining/Resume/resolved(in:)`` gives it.
  package func continuing(_ out: String, resume: Pretraining.Resume) -> RunConfig {
    var config = self
    let begun: RunConfig?
    switch resume {
    case .never: begun = nil
    case .auto:
      begun = RunFolder.config(out)
      config.carriedFrom = begun?.carriedFrom
      if config.minutes != nil, config.minutes == begun?.minutes {
        config.steps = begun?.steps ?? config.steps
      }
    case .from(let path):
      begun = try? RunConfig(ofCheckpoint: path)
      config.carriedFrom = path.withoutSlash
      (config.initFile, config.initKey) = (begun?.initFile, begun?.initKey ?? .copy)
    }
    if begun?.bnSplitsPer == .rank { config.bnSplitsPer = .rank }
    // A run that is older than the key has this value.
    if begun?.depth == .bits(8), config.depth == .automatic { config.depth = .bits(8) }
    guard let begun, let file = begun.initFile,
      config.initFile?.withoutSlash.lastPathPart == file.withoutSlash.lastPathPart
    else { return config }
    (config.initFile, config.initDigest) = (file, begun.initDigest)
    return config
  }

  /// The metadata of a run's files of weights.
  package func checkpointMetadata() throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return ["config": String(decoding: try encoder.encode(self), as: UTF8.self), "format": "moco"]
  }
}
