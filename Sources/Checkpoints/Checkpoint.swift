import Torch

/// A checkpoint in memory.
public struct Checkpoint {
  /// The checkpoint folder or the file it was read from.
  public let path: String
  /// The model's tensors by name, on the CPU.
  public let model: [String: Tensor]
  /// The model file's own notes, such as the architecture.
  public let metadata: [String: String]
  /// The optimizer's tensors by name, on the CPU; empty if they were not asked for.
  public let optimizer: [String: Tensor]
  /// Where the run stood; nil for a lone file of weights.
  public let state: TrainingState?
  /// Newer checkpoints that were damaged and passed over, newest first. Show them to the user.
  public let damaged: [CheckpointError]

  /// Reads a run folder (its newest good checkpoint), a checkpoint folder or a `.safetensors` file.
  ///
  /// Every tensor of a checkpoint folder is compared with its checksum; a lone file has none. Nothing on the
  /// disk is changed, so a run may be read while it is training.
  /// - Parameter optimizer: whether to read the optimizer's tensors too; evaluation does not need them.
  public static func load(_ path: String, optimizer: Bool = true) throws -> Checkpoint { fatalError() }
}

/// Keeps the checkpoints of one run: `step-N` folders and `latest`, which names the newest.
public final class CheckpointStore {
  /// Opens the folder, which is made if need be, and clears away what a killed run left unfinished.
  /// One process at a time may write to a folder.
  /// - Parameter keep: how many checkpoints stay, at least 1.
  public init(folder: String, keep: Int = 2) throws { fatalError() }

  /// Writes `step-N`, N being `state.step`, and returns its path.
  @discardableResult
  public func save(
    model: [(name: String, tensor: Tensor)], optimizer: [(name: String, tensor: Tensor)],
    state: TrainingState, metadata: [String: String] = [:]
  ) throws -> String { fatalError() }

  /// The newest good checkpoint; nil if there is none at all, an error if every one is damaged.
  public func loadLatest() throws -> Checkpoint? { fatalError() }
}

public enum CheckpointError: Error, Equatable {}

extension Module {
  /// Names of tensors on one side only, after a load that was not strict.
  public struct Differences: Equatable, Sendable {
    /// In the module, not in the file.
    public var missing: [String] = []
    /// In the file, not in the module.
    public var unexpected: [String] = []
  }

  /// Copies `tensors` into the parameters and buffers of the same names; all or, on an error, none.
  @discardableResult
  public func load(_ tensors: [String: Tensor], strict: Bool = true) throws -> Differences { fatalError() }
}
