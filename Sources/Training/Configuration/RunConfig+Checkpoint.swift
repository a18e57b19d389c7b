import Files
import Foundation
import Methods
import Weights

extension RunConfig {
  /// The configuration in a checkpoint. (JSON is YAML.)
  package init(_ checkpoint: Checkpoint) throws {
    guard let text = checkpoint.metadata["config"] else {
      throw RunError("\(checkpoint.path): no run wrote this file; it holds an encoder only.")
    }
    try self.init(yaml: text, source: checkpoint.path)
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

  /// The configuration with which a run goes on: groups of batch normalisation keep the meaning that they had
  /// when it began, and samples of more than 8 bits become the same levels unless given otherwise. Without a run in the folder, or a readable one, it stays as it is.
  /// - Parameter out: The run's folder.
  package func continuing(_ out: String, resume: Pretraining.Resume) -> RunConfig {
    let begun: RunConfig? =
      switch resume {
      case .auto: RunFolder.config(out)
      case .never: nil
      case .from(let path): try? RunConfig(Checkpoint.load(path, optimizer: false))
      }
    var config = self
    if begun?.bnSplitsPer == .rank { config.bnSplitsPer = .rank }
    // A run that is older than the key has this value.
    if begun?.depth == .bits(8), config.depth == .automatic { config.depth = .bits(8) }
    return config
  }

  /// The metadata of a run's files of weights.
  package func checkpointMetadata() throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return ["config": String(decoding: try encoder.encode(self), as: UTF8.self), "format": "moco"]
  }
}
