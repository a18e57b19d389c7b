import Files
import Images
import Methods
import Models
import Torch
import Weights

/// The configuration of a task's training. Keys are members: those of ``TransferKeys`` and, in each configuration, those of
/// its own table.
@dynamicMemberLookup
package protocol TransferConfig: CommandConfig {
  associatedtype Spec: TransferSpec

  static var transfer: TransferKeys<Self> { get }
  /// Whether weight decay holds for the weights and biases of normalisations too.
  static var decaysNorms: Bool { get }
  /// Keys of the network, which a test of a trained one cannot change.
  static var keysOfNetwork: Set<String> { get }

  /// The network in a line for people.
  var networkSummary: String { get }
  /// The log's line of a session's start.
  static func event(_ start: RunEvent.TaskStart<Self>) -> RunEvent
  /// Raises an error for values that do not go together, each in one line with the option's name.
  func checkCombinations() throws
}

extension TransferConfig {
  package subscript<Value>(dynamicMember path: KeyPath<TransferKeys<Self>, ConfigKey<Self, Value>>) -> Value {
    get { self[Self.transfer[keyPath: path]] }
    set { self[Self.transfer[keyPath: path]] = newValue }
  }

  package static var keysOfMachines: Set<String> { [transfer.device.name, transfer.workers.name] }
  package static var keysOfPlaces: Set<String> { [] }

  package func disuse(of key: any KeyOf<Self>) -> String? { nil }

  package var comparable: Self {
    var config = self
    // First weights may lie elsewhere by now.
    config.initFile = config.initFile.map { $0.withoutSlash.lastPathPart }
    return config
  }

  package func checkCombinations() throws {}

  /// Raises an error for invalid values, each in one line with the option's name.
  /// - Parameter ranks: The number of processes that train together.
  package func validate(ranks: Int = 1) throws {
    try checkRanges()
    guard self.batchSize.isMultiple(of: ranks) else {
      throw UsageError(
        "--batch-size \(self.batchSize): the batch does not divide by \(ranks) ranks. Give a multiple of \(ranks)."
      )
    }
    try checkCombinations()
  }

  // MARK: - Parts of the training

  package var schedule: WarmupMultiStep {
    WarmupMultiStep(
      base: self.lr, milestones: self.decayAt.all, gamma: self.gamma, warmUp: self.warmupSteps,
      warmUpFactor: self.warmupFactor)
  }

  package var workerCount: Int { self.workers ?? Cores.usable }

  var decoder: ImageDecoder {
    ImageDecoder(limits: .allowing(pixels: self.maxPixels), appliesOrientation: self.exifOrientation)
  }

  // MARK: - Batch and rate

  /// The learning rate for this batch that is the recipe's for its own, in proportion (Goyal et al. 2017, section 2.1).
  package func scalingRate(from recipe: Self) -> Self {
    var config = self
    config.lr = recipe.lr * Double(config.batchSize) / Double(recipe.batchSize)
    return config
  }

  /// Batch and rate beside the recipe's where they differ; nil where they are the same.
  package func comparison(with recipe: Self) -> (text: String, isRisky: Bool)? {
    guard self.batchSize != recipe.batchSize || self.lr != recipe.lr else { return nil }
    let text =
      "batch \(self.batchSize) at rate \(self.lr); the recipe has batch \(recipe.batchSize) at rate \(recipe.lr)"
    let wanted = recipe.lr * Double(self.batchSize) / Double(recipe.batchSize)
    guard abs(self.lr / wanted - 1) > 1e-9 else { return (text + ", the same for each image", false) }
    return (
      "\(text). In proportion to the batch the rate would be \(Float(wanted)): give --scale-lr, or --lr.",
      true
    )
  }

  // MARK: - In checkpoints

  /// The value of `--init` for weights that are drawn.
  package static var random: String { "random" }

  /// The configuration in a checkpoint. (JSON is YAML.)
  package init(_ checkpoint: Checkpoint) throws {
    try self.init(metadata: checkpoint.metadata, of: checkpoint.path)
  }

  /// The configuration of the run at a path that leads to a checkpoint.
  package init(ofCheckpoint path: String) throws {
    try self.init(metadata: Self.naming { try Checkpoint.metadata(of: path) }, of: path)
  }

  /// Reads a run of the command; where there is none, the error names the command.
  static func naming<Found>(_ read: () throws -> Found) throws -> Found {
    do {
      return try read()
    } catch let error as CheckpointError {
      throw error.naming("\(command) CHECKPOINT --recipe NAME --train DATA --test DATA")
    }
  }

  private init(metadata: [String: String], of path: String) throws {
    guard let text = metadata["config"], metadata[Spec.noun] != nil else {
      throw RunError("\(path): no run of `moco \(Self.command)` wrote this file.")
    }
    try self.init(yaml: text, source: path)
  }
}
