import Foundation
import Methods
import Models
import Torch
import Weights

/// The bytes that a run keeps for its whole length in every rank, counted from its tensors.
package struct Footprint: Codable, Sendable, Equatable {
  /// The trained weights; their gradients take as much.
  package var weights = 0
  package var optimizer = 0
  /// The weights that no optimizer updates: a key encoder's.
  package var keyEncoder = 0
  /// A queue or a memory bank.
  package var dictionary = 0
  /// Batch statistics, and weights that are never updated.
  package var others = 0
  /// The channels of all batch normalisations of the trained networks, and of the key encoder.
  package var normalizedChannels = 0
  package var keyChannels = 0
  /// The files of a checkpoint.
  package var checkpoint = 0

  /// Of all that stays in memory.
  package var total: Int { 2 * weights + optimizer + keyEncoder + dictionary + others }
}

extension Learner {
  /// Its tensors and the checkpoint that they make.
  package func footprint(_ config: RunConfig) throws -> Footprint {
    func bytes(_ tensor: Tensor) -> Int { tensor.count * tensor.dtype.size }
    var found = Footprint()
    found.weights = method.trainable.reduce(0) { $0 + bytes($1.tensor) }
    found.optimizer = optimizerState.reduce(0) { $0 + bytes($1.tensor) }
    found.dictionary = method.ownBuffers.reduce(0) { $0 + bytes($1.tensor) }
    let isKeys = { (name: String) in name.hasPrefix(EncoderRole.key.prefix) }
    for entry in method.state where entry.name.hasSuffix(".running_mean") {
      let channels = entry.tensor.count
      if isKeys(entry.name) { found.keyChannels += channels } else { found.normalizedChannels += channels }
    }
    let all = method.state.reduce(0) { $0 + bytes($1.tensor) }
    found.keyEncoder = method.state.reduce(0) {
      // A decoder's positions are fixed too.
      let isOfKeys = $1.kind == .fixed && !$1.name.hasPrefix(EncoderRole.query.prefix)
      return $0 + (config.kind.hasKeyEncoder && isOfKeys ? bytes($1.tensor) : 0)
    }
    found.others = all - found.weights - found.dictionary - found.keyEncoder
    found.checkpoint = try CheckpointStore.size(
      model: modelState, optimizer: optimizerState, state: savedState(config, step: 1),
      metadata: config.checkpointMetadata())
    return found
  }

  /// The state after a step, with numbers of the usual length.
  func savedState(_ config: RunConfig, step: Int) throws -> TrainingState {
    TrainingState(
      step: step, epoch: 0, batch: step, seed: config.seed, queuePointer: method.dictionary?.pointer,
      configHash: try config.hash, optimizerSteps: nil, lastLoss: 1.2345678901234567, mixing: nil,
      data: 1_234_567_890, kernels: Kernels.here(on: device))
  }
}
