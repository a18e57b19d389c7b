import Data
import Distributed
import Files
import Models
import Torch
import Weights

/// The trained part of a task's run: the model and its optimizer, in this rank.
package final class TransferLearner<Task: TransferTask> {
  package let model: Task.Model
  package let spec: Task.Config.Spec
  let optimizer: SGD
  let device: Device
  private let dtype: DType
  private let context: RankContext
  private let reducer: GradientReducer?
  private let precision: Precision
  private let seed: UInt64
  private let trained: [Module.Entry]

  /// Makes initial weights, drawn from the configuration's seed: the same in every rank.
  /// - Parameters:
  ///   - spec: The network.
  ///   - config: The configuration of the run.
  ///   - dtype: The type of all weights and numbers; float64 is for comparisons.
  package init(
    _ spec: Task.Config.Spec, _ config: Task.Config, device: Device, context: RankContext = .alone,
    dtype: DType = .float32
  ) throws {
    (self.spec, self.device, self.dtype, self.context) = (spec, device, dtype, context)
    (precision, seed) = (config.precision, config.seed)
    Runtime.allowTF32(config.tf32)
    let model = try withTorchErrors {
      let model = Task.model(spec, using: Generator(seed: config.seed))
      if dtype != .float32 { model.convert(to: dtype) }
      model.move(to: device)
      return model
    }
    switch spec.norm {
    case .sync: model.synchronizeBatchNorm(over: context.group)
    case .naiveSync: model.synchronizeBatchNorm(over: context.group, weighsRanksEqually: true)
    case .plain, .frozen: break
    }
    self.model = model
    let trained = model.namedParameters
    self.trained = trained
    let norms = Set(Task.Config.decaysNorms ? [] : model.normParameters.map { ObjectIdentifier($0) })
    optimizer = try withTorchErrors {
      SGD(
        trained.map(\.tensor), momentum: config.momentum, weightDecay: config.wd,
        undecayed: Set(trained.indices.filter { norms.contains(ObjectIdentifier(trained[$0].tensor)) }))
    }
    reducer = try context.group.reducer(of: trained.map(\.tensor))
  }

  /// One training step on this rank's images.
  /// - Parameters:
  ///   - index: The step's number, for its random draws.
  ///   - batchSize: Images of all ranks.
  ///   - rate: The learning rate.
  ///   - signal: This rank's received signal; read at the end of the step.
  ///   - isSaveDue: Whether to save by this rank's clock; read at the end of the step. Rank 0's counts.
  /// - Throws: ``Divergence`` if a loss or another result is not finite. The weights are then invalid; the last checkpoint
  ///   is not.
  func step(
    _ batch: Task.Loader.Batch, index: Int, batchSize: Int, rate: Double,
    signal: @autoclosure () -> Int32? = nil, isSaveDue: @autoclosure () -> Bool = false
  ) throws -> TransferStep {
    let losses = try withTorchErrors {
      let losses = try forward(batch, index: index, batchSize: batchSize)
      reducer?.prepare()
      losses.total.backward()
      optimizer.step(learningRate: rate)
      return losses
    }
    // The only wait for the device in a step. If a peer has left, only the first of the two waits ends.
    try withTorchErrors { context.group.wait(for: device) }
    let own = try withTorchErrors {
      Tensor.stacked(losses.terms.map { $0.value.detached().to(.float64) }).to(.cpu).array(of: Double.self)
    }
    let rows = try context.rows(own + [Double(signal() ?? 0), isSaveDue() ? 1 : 0])
    if let bad = rows.firstIndex(where: { !$0.prefix(own.count).reduce(0, +).isFinite }) {
      throw Divergence(loss: rows[bad].prefix(own.count).reduce(0, +), rank: bad)
    }
    let means = own.indices.map { place in rows.map { $0[place] }.reduce(0, +) / Double(rows.count) }
    return TransferStep(
      losses: Dictionary(uniqueKeysWithValues: zip(losses.terms.map(\.name), means)),
      loss: means.reduce(0, +), boxes: losses.boxes,
      signal: StopRequest.agreed(rows.map { Int32($0[own.count]) }), isSaveDue: rows[0][own.count + 1] != 0)
  }

  /// The losses of a step; with `seed` those of other draws than training's.
  private func forward(_ batch: Task.Loader.Batch, index: Int, batchSize: Int, seed: UInt64? = nil) throws
    -> TransferLosses
  {
    let places = Array(context.rank.rows(of: batchSize, dealt: .consecutive))
    return try Task.losses(
      model, batch,
      StepContext(
        index: index, seed: seed ?? self.seed, places: places, dtype: dtype, precision: precision,
        device: device, context: context))
  }

  /// Gives batch normalisation the statistics of whole batches.
  /// - Parameters:
  ///   - count: Batches.
  ///   - isStopped: Whether a signal ends the run; read after every batch.
  ///   - progress: Called with the batches that are done.
  ///   - batch: This rank's images of the next batch.
  /// - Returns: false, in all ranks, where it was broken off; the statistics are as they were.
  func recomputeStatistics(
    batches count: Int, batchSize: Int, isStopped: () -> Bool, progress: (Int) -> Void,
    batch: () throws -> Task.Loader.Batch
  ) throws -> Bool {
    guard model.modules.contains(where: { $0 is BatchNorm2d }) else { return true }
    let buffers = try withTorchErrors { model.buffers.map { ($0, $0.clone()) } }
    let precise = PreciseBatchNorm(model)
    for index in 0..<count {
      let images = try batch()
      try withTorchErrors {
        try precise.observe {
          _ = try forward(images, index: index, batchSize: batchSize, seed: Self.statisticsSeed(seed))
        }
      }
      progress(index + 1)
      if try context.rows([isStopped() ? 1 : 0]).contains(where: { $0[0] != 0 }) {
        try withTorchErrors { withNoGrad { for (buffer, old) in buffers { buffer.copy(from: old) } } }
        return false
      }
    }
    try withTorchErrors { precise.finish(over: context.rank.count > 1 ? context.group : nil) }
    return true
  }

  /// The seed of the batches and draws that statistics are taken of, which are not those of training's steps.
  static func statisticsSeed(_ seed: UInt64) -> UInt64 { seed ^ 0x5052_4543_4953_4542 }
}

/// The results of a step.
struct TransferStep {
  /// By detectron2's names, the mean over the ranks.
  let losses: [String: Double]
  let loss: Double
  let boxes: (proposals: Double, foreground: Double)?
  /// The signal that the ranks act on; see `StopRequest/agreed(_:)`.
  let signal: Int32?
  /// Whether rank 0 asked for a save.
  let isSaveDue: Bool
}

// MARK: - Saving

extension TransferLearner {
  /// The optimizer's state, with the names of its parameters.
  var optimizerState: [(name: String, tensor: Tensor)] { optimizer.state(named: trained.map(\.name)) }

  /// All tensors of the model.
  var modelState: [(name: String, tensor: Tensor)] { model.state.map { ($0.name, $0.tensor) } }

  /// Whether every weight is finite.
  var isFinite: Bool { trained.allSatisfy { $0.tensor.isAllFinite() } }

  /// Copies rank 0's weights and optimizer state to every rank.
  func share() throws {
    try withTorchErrors {
      withNoGrad { for (_, tensor) in modelState + optimizerState { context.group.broadcast(tensor) } }
      context.group.wait(for: device)
    }
  }

  /// Copies rank 0's batch statistics to every rank, so that the tested network is the saved one.
  func shareStatistics() throws {
    try withTorchErrors {
      withNoGrad { model.buffers.forEach { context.group.broadcast($0) } }
      context.group.wait(for: device)
    }
  }

  /// Takes the tensors of a checkpoint. The optimizer's are left out if `optimizer` is false.
  func restore(_ checkpoint: Checkpoint, optimizer hasOptimizer: Bool = true) throws {
    try restoreTensors(modelState, from: checkpoint.model, in: checkpoint.path)
    guard hasOptimizer else { return }
    try restoreTensors(optimizerState, from: checkpoint.optimizer, in: checkpoint.path)
    optimizer.restore(steps: checkpoint.state?.optimizerSteps ?? 0)
  }
}

extension Module {
  /// The learned tensors of normalisations.
  package var normParameters: [Tensor] {
    modules.filter { $0 is any BatchNormLayer || $0 is BatchNorm1d || $0 is LayerNorm }.flatMap(\.parameters)
  }
}
