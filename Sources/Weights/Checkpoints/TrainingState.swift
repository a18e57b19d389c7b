/// Where a run stands, apart from its tensors: all that is needed to go on as if it had never stopped.
public struct TrainingState: Codable, Equatable, Sendable {
  /// The format this program writes and reads.
  public static let currentFormat = 1

  public private(set) var format = TrainingState.currentFormat
  /// Training steps done, from 0.
  public var step: Int
  /// Epoch of the next step, from 0.
  public var epoch: Int
  /// Batches of that epoch already used: the next step's position in its order.
  public var batch: Int
  /// The run's seed; every random number follows from it and the position (`CounterGenerator`).
  public var seed: UInt64
  /// Column that the next key is written to; nil for a method without a queue.
  public var queuePointer: Int?
  /// A hash of the configuration, to notice a resume under another one.
  public var configHash: String
  /// Steps the optimizer has made.
  public var optimizerSteps: Int
  /// Loss of the last step; nil before the first.
  public var lastLoss: Double?
  /// The kernels that computed the run since it began, in words; nil where they are not known.
  public var kernels: String?
  /// Further numbers a method restores, by name.
  public var extra: [String: Double]

  public init(
    step: Int, epoch: Int, batch: Int, seed: UInt64, queuePointer: Int? = nil, configHash: String = "",
    optimizerSteps: Int? = nil, lastLoss: Double? = nil, kernels: String? = nil,
    extra: [String: Double] = [:]
  ) {
    self.step = step
    self.epoch = epoch
    self.batch = batch
    self.seed = seed
    self.queuePointer = queuePointer
    self.configHash = configHash
    self.optimizerSteps = optimizerSteps ?? step
    self.lastLoss = lastLoss
    self.kernels = kernels
    self.extra = extra
  }
}
