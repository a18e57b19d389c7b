import Data
import Distributed
import Files
import Models
import Torch
import Weights

/// The trained part of a detector's run: the model and its optimizer, in this rank.
package final class DetectorLearner {
  package let model: GeneralizedRCNN
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
  ///   - spec: The detector.
  ///   - config: The configuration of the run.
  ///   - dtype: The type of all weights and numbers; float64 is for comparisons.
  package init(
    _ spec: DetectorSpec, _ config: DetectConfig, device: Device, context: RankContext = .alone,
    dtype: DType = .float32
  ) throws {
    (self.device, self.dtype, self.context) = (device, dtype, context)
    (precision, seed) = (config.precision, config.seed)
    Runtime.allowTF32(config.tf32)
    let model = try withTorchErrors {
      let model = GeneralizedRCNN(spec, using: Generator(seed: config.seed))
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
    let norms = Set(model.normParameters.map { ObjectIdentifier($0) })
    optimizer = try withTorchErrors {
      SGD(
        trained.map(\.tensor), momentum: config.momentum, weightDecay: config.wd,
        undecayed: Set(trained.indices.filter { norms.contains(ObjectIdentifier(trained[$0].tensor)) }))
    }
    reducer = try context.group.reducer(of: trained.map(\.tensor))
  }

  /// The results of a step.
  struct Step {
    /// By detectron2's names, the mean over the ranks.
    let losses: [String: Double]
    let loss: Double
    /// Of an image, in the mean over this rank's.
    let proposals: Double
    let foreground: Double
    /// The signal that the ranks act on; see `StopRequest/agreed(_:)`.
    let signal: Int32?
    /// Whether rank 0 asked for a save.
    let isSaveDue: Bool
  }

  /// One training step on this rank's images.
  /// - Parameters:
  ///   - index: The step's number, for its random draws.
  ///   - batchSize: Images of all ranks.
  ///   - rate: The learning rate.
  ///   - signal: This rank's received signal; read at the end of the step.
  ///   - isSaveDue: Whether to save by this rank's clock; read at the end of the step. Rank 0's counts.
  /// - Throws: ``Divergence`` if a loss or a proposal is not finite. The weights are then invalid; the last checkpoint is
  ///   not.
  func step(
    _ examples: [DetectionExample], index: Int, batchSize: Int, rate: Double,
    signal: @autoclosure () -> Int32? = nil, isSaveDue: @autoclosure () -> Bool = false
  ) throws -> Step {
    let losses = try withTorchErrors {
      let losses = try forward(examples, index: index, batchSize: batchSize)
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
    func mean(_ counts: [Int]) -> Double { Double(counts.reduce(0, +)) / Double(max(1, counts.count)) }
    return Step(
      losses: Dictionary(uniqueKeysWithValues: zip(losses.terms.map(\.name), means)),
      loss: means.reduce(0, +), proposals: mean(losses.proposals), foreground: mean(losses.foreground),
      signal: StopRequest.agreed(rows.map { Int32($0[own.count]) }), isSaveDue: rows[0][own.count + 1] != 0)
  }

  /// The losses of a step; with `seed` those of other draws than training's.
  private func forward(_ examples: [DetectionExample], index: Int, batchSize: Int, seed: UInt64? = nil) throws
    -> DetectorLosses
  {
    let places = Array(context.rank.rows(of: batchSize, dealt: .consecutive))
    let images = model.preprocess(examples.map(\.tensor))
    do {
      return try withPrecision(precision, on: device) {
        try model.losses(
          images, examples.map { $0.truth(keypoints: model.spec.keypoints, dtype: dtype) },
          sampler: Subsampler(seed: seed ?? self.seed, step: index, places: places))
      }
    } catch is NotFinite {
      throw Divergence(loss: .nan, rank: context.rank.number)
    }
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
    batch: () throws -> [DetectionExample]
  ) throws -> Bool {
    guard model.modules.contains(where: { $0 is BatchNorm2d }) else { return true }
    let buffers = try withTorchErrors { model.buffers.map { ($0, $0.clone()) } }
    let precise = PreciseBatchNorm(model)
    for index in 0..<count {
      let examples = try batch()
      try withTorchErrors {
        try precise.observe {
          _ = try forward(
            examples, index: index, batchSize: batchSize, seed: DetectorLearner.statisticsSeed(seed))
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

// MARK: - Saving

extension DetectorLearner {
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

  /// Copies rank 0's batch statistics to every rank, so that the tested detector is the saved one.
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

extension DetectionExample {
  /// Its objects as a detector learns from them, but for crowds.
  /// - Parameters:
  ///   - count: Keypoints of an object; 0 for none.
  ///   - dtype: float64 for a detector in float64.
  func truth(keypoints count: Int, dtype: DType = .float32) -> GroundTruth {
    let own = objects.filter { !$0.isCrowd }
    let corners = own.flatMap { [$0.box.x0, $0.box.y0, $0.box.x1, $0.box.y1] }
    let masks = own.compactMap(\.mask)
    let points = own.flatMap { object in
      object.keypoints.flatMap { [$0.x, $0.y, Double($0.visibility.rawValue)] }
    }
    let isDouble = dtype == .float64
    func tensor(_ values: [Double], _ shape: [Int]) -> Tensor {
      let exact = Tensor(values, shape: shape)
      return isDouble ? exact : exact.to(.float32)
    }
    return GroundTruth(
      boxes: tensor(corners, [own.count, 4]), classes: Tensor(own.map(\.classIndex)),
      masks: masks.count == own.count ? masks : [],
      keypoints: count > 0 ? tensor(points, [own.count, count, 3]) : nil)
  }
}
