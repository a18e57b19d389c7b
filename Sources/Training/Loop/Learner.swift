import Distributed
import Files
import Methods
import Torch
import Weights

/// The trained part of a run: the method and its optimizer, in this rank.
package final class Learner {
  package let method: any Method
  package let optimizer: any Optimizer
  package let device: Device
  let context: RankContext
  private let reducer: GradientReducer?
  private let parts: Int
  private let dealing: Dealing
  private let precision: Precision
  /// The steps, in addition to those that are counted, after which the dictionary would be as full as it is.
  var stepsOfKeys = 0
  private var recorder: GraphedStep?
  /// The reason why steps are not captured, in a sentence; nil if they are, or if it was not requested.
  package private(set) var whyNotRecorded: String?

  /// Makes initial weights and keys, drawn from the configuration's seed: the same in every rank.
  /// - Parameters:
  ///   - config: The configuration of the run.
  ///   - images: The number of images in the data set, for a method with a row for every image.
  ///   - device: The device of the training.
  ///   - context: The ranks that train together.
  ///   - recording: The capture mode; by default from ``RunConfig/cudaGraph``.
  package init(
    _ config: RunConfig, images: Int, device: Device, context: RankContext = .alone,
    recording: CaptureMode? = nil
  ) throws {
    try withTorchErrors {
      let own = DeviceStream(on: device)  // graphs cannot be captured on the default stream
      own.wait(for: .current(on: device))
      own.setCurrent()
    }
    self.device = device
    self.context = context
    (parts, dealing) = (config.accumulate, config.dealing)
    precision = config.precision
    Runtime.allowTF32(config.tf32)
    let method = try withTorchErrors { config.makeMethod(images: images, on: device, ranks: context.group) }
    optimizer = try withTorchErrors { config.makeOptimizer(method.trainable.map(\.tensor)) }
    reducer = try context.group.reducer(of: method.trainable.map(\.tensor))
    self.method = method
    let (means, reason) = config.recording(of: method, on: device, context: context)
    whyNotRecorded = reason
    if let means = recording ?? means {
      recorder = GraphedStep(by: means, trained: method.trainable.map(\.tensor)) { [unowned self] in
        pass($0, isLast: true)
      }
    }
  }

  /// Whether the capture is still to come.
  package var isWarmingUp: Bool { recorder?.isWarmingUp ?? false }

  /// The results of a step.
  package struct Step {
    /// The mean over the ranks.
    package let loss: Double
    /// For this rank's images, on the device. Valid until the next step.
    package let output: StepOutput
    /// The signal that the ranks act on, received by any of them; see `StopRequest/agreed(_:)`.
    package let signal: Int32?
    /// Whether rank 0 asked for a save; the same in all ranks.
    package let isSaveDue: Bool
  }

  /// One training step on this rank's rows of the views, N×3×H×W.
  ///
  /// - Parameters:
  ///   - samples: The images' numbers in the data set, N.
  ///   - index: The step's number, for its random draws.
  ///   - rate: The learning rate.
  ///   - m: The key encoder's momentum.
  ///   - signal: This rank's received signal; read at the end of the step.
  ///   - isSaveDue: Whether to save by this rank's clock; read at the end of the step. Rank 0's counts.
  ///   - meanwhile: The work of this thread while the device computes.
  /// - Throws: ``Divergence`` if the loss is not finite. The weights are then invalid; the last checkpoint is
  ///   not.
  package func step(
    _ views: [Tensor], samples: [Int], index: Int, rate: Double, momentum m: Double,
    signal: @autoclosure () -> Int32? = nil, isSaveDue: @autoclosure () -> Bool = false,
    meanwhile: () -> Void = {}
  ) throws -> Step {
    let (loss, outputs): (Tensor, [StepOutput]) = try withTorchErrors {
      let batches = (0..<parts).map { part in
        let rows = share(part, of: views[0].shape.first ?? 0)
        var batch = ViewBatch(
          views.map { $0.narrowed(rows) }, samples: Array(samples[rows]), step: index, part: part,
          dealt: dealing)
        batch.shuffles = method.shuffles(for: batch)
        return batch
      }
      method.beforeForward(momentum: m)
      let outputs = batches.map { recorded($0) ?? pass($0, isLast: $0.part == parts - 1) }
      optimizer.step(learningRate: rate)
      method.afterStep(outputs)
      return (Tensor.stacked(outputs.map(\.loss)).mean(), outputs)
    }
    meanwhile()
    // The only wait for the device in a step. If a peer has left, only the first of the two waits ends.
    try withTorchErrors { context.group.wait(for: device) }
    let own = try withTorchErrors { loss.item() }
    let rows = try context.rows([own, Double(signal() ?? 0), isSaveDue() ? 1 : 0])
    if let bad = rows.firstIndex(where: { !$0[0].isFinite }) {
      throw Divergence(loss: rows[bad][0], rank: bad)
    }
    return Step(
      loss: rows.map { $0[0] }.reduce(0, +) / Double(rows.count), output: outputs[0],
      signal: StopRequest.agreed(rows.map { Int32($0[1]) }), isSaveDue: rows[0][2] != 0)
  }

  /// The loss of a part of a batch; its gradient is added to the parameters'.
  private func pass(_ batch: ViewBatch, isLast: Bool) -> StepOutput {
    var output = withPrecision(precision, on: device) { method.forward(batch) }
    if isLast { reducer?.prepare() }
    (parts == 1 ? output.loss : output.loss / Double(parts)).backward()
    output.loss = output.loss.detached()
    return output
  }

  /// The same with a captured graph; nil if it is not used.
  private func recorded(_ batch: ViewBatch) -> StepOutput? {
    guard let recorder else { return nil }
    do {
      return try recorder(batch)
    } catch {
      self.recorder = nil
      whyNotRecorded = "A step is not recorded as a CUDA graph, because that failed: \(error)"
      return nil
    }
  }

  /// Puts the keys of a batch into the dictionary, without learning.
  /// - Parameter views: N×3×H×W each, this rank's rows.
  func enqueueKeys(of views: [Tensor]) throws {
    try withTorchErrors {
      for part in 0..<parts {
        let rows = share(part, of: views[0].shape.first ?? 0)
        let batch = ViewBatch(views.map { $0.narrowed(rows) }, step: 0, part: part, dealt: dealing)
        withPrecision(precision, on: device) { method.enqueueKeys(of: batch) }
      }
      context.group.wait(for: device)
    }
  }

  private func share(_ part: Int, of count: Int) -> Range<Int> {
    let share = count / parts
    return part * share..<(part + 1) * share
  }

  /// Diagnostics of a step's features, and of the queue after it. Waits for the device.
  /// - Parameters:
  ///   - step: The latest step.
  ///   - count: The number of steps so far, including those before a resumption.
  package func diagnostics(of step: Step, count: Int) throws -> Diagnostics? {
    guard let (queries, keys) = step.output.features else { return nil }
    return try withTorchErrors {
      var found = Diagnostics(queries: queries, keys: keys)
      if let queue = method.dictionary {
        let keys = step.output.keys?.shape.first ?? 0
        found.observe(queue: queue.keys, steps: count + stepsOfKeys, keysPerStep: keys * parts)
      }
      return found
    }
  }
}

/// A loss that is not finite.
package struct Divergence: Error {
  package let loss: Double
  package let rank: Int
}

// MARK: - Saving

extension Learner {
  /// The optimizer's state, with the names of its parameters.
  package var optimizerState: [(name: String, tensor: Tensor)] {
    optimizer.state(named: method.trainable.map(\.name))
  }

  /// The method's state, complete for an exact resumption.
  package var modelState: [(name: String, tensor: Tensor)] { method.state.map { ($0.name, $0.tensor) } }

  /// Whether every weight is finite.
  package var isFinite: Bool { method.trainable.allSatisfy { $0.tensor.isAllFinite() } }

  /// Copies rank 0's weights, keys and optimizer state to every rank.
  package func share() throws {
    try withTorchErrors {
      withNoGrad { for (_, tensor) in modelState + optimizerState { context.group.broadcast(tensor) } }
      context.group.wait(for: device)
    }
  }

  /// Copies rank 0's batch statistics to every rank, so that the evaluated encoder is the saved one. Training
  /// does not use them.
  package func shareStatistics() throws {
    try withTorchErrors {
      withNoGrad { method.encoderQ.buffers.forEach { context.group.broadcast($0) } }
      context.group.wait(for: device)
    }
  }

  /// The first rank whose weights or keys differ from rank 0's in any bit; they must be equal. Batch
  /// statistics may differ.
  package func rankOutOfStep() throws -> Int? {
    guard context.rank.count > 1 else { return nil }
    let tensors = method.trainable.map(\.tensor) + method.replicated
    let own = try withTorchErrors { tensors.map { $0.withUnsafeBytes { Double(crc32($0)) } } }
    let rows = try context.rows(own)
    return rows.indices.first { rows[$0] != rows[0] }
  }

  /// Continues from a checkpoint. Returns its state.
  package func restore(_ checkpoint: Checkpoint, config: RunConfig, data fingerprint: UInt32) throws
    -> TrainingState
  {
    guard let state = checkpoint.state else {
      throw Learner.weightsOnly(checkpoint.path)
    }
    let differences = try RunConfig(checkpoint).differences(from: config)
    guard differences.isEmpty else {
      throw UsageError(
        "\(checkpoint.path) belongs to another run (\(differences.joined(separator: "; "))). Choose another --out."
      )
    }
    guard state.isOn(data: fingerprint) else {
      throw UsageError(
        "\(checkpoint.path) belongs to a run on other images. Restore that data set, or carry the run on with these in "
          + "a new folder: --resume \(checkpoint.path) --out NEW.")
    }
    if case .lanes(let lanes) = state.mixing, lanes < 1 || !config.batchSize.isMultiple(of: lanes) {
      throw RunError(
        "\(checkpoint.path): a batch of \(config.batchSize) does not divide into its \(lanes) lanes. Take another one."
      )
    }
    try restoreTensors(modelState, from: checkpoint.model, in: checkpoint.path)
    try restoreTensors(optimizerState, from: checkpoint.optimizer, in: checkpoint.path)
    try check(state, in: checkpoint)
    restore(state)
    return state
  }

  /// Raises an error for a place outside the dictionary.
  func check(_ state: TrainingState, in checkpoint: Checkpoint) throws {
    guard let queue = method.dictionary, let pointer = state.queuePointer else { return }
    guard (0..<queue.capacity).contains(pointer) else {
      throw RunError(
        "\(checkpoint.path): the next key of a queue of \(queue.capacity) would go to row \(pointer). "
          + "Use an older checkpoint.")
    }
  }

  /// Restores the state that is not in tensors.
  package func restore(_ state: TrainingState) {
    for queue in method.queues { queue.restore(pointer: state.queuePointer ?? 0) }
    optimizer.restore(steps: state.optimizerSteps)
    stepsOfKeys = state.stepsOfKeys
  }

  static func weightsOnly(_ path: String) -> UsageError {
    UsageError(
      "\(path): these are weights only; a run cannot go on from them. Start a new run from them: --init \(path)."
    )
  }
}
