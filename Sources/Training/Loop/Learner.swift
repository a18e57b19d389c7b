import Distributed
import Files
import Images
import Methods
import TensorBoard
import Torch
import Weights

/// What learns in a run: the method and its optimizer, in this rank.
package final class Learner {
  package let method: any Method
  package let optimizer: any Optimizer
  package let device: Device
  private let context: RankContext
  private let reducer: GradientReducer?
  private let parts: Int
  private let precision: Precision
  private var recorder: GraphedStep?
  /// Why no step is recorded, in a sentence; nothing where it is, or where nobody asked for it.
  package private(set) var whyNotRecorded: String?

  /// Fresh weights and keys, drawn from the configuration's seed: the same in every rank.
  /// - Parameters:
  ///   - config: What decides the run.
  ///   - images: of the data set, for a method that keeps something of every image.
  ///   - device: Where it learns.
  ///   - context: The ranks that train together.
  ///   - recording: How steps are recorded, as ``RunConfig/cudaGraph`` says unless given.
  package init(
    _ config: RunConfig, images: Int, device: Device, context: RankContext = .alone, recording: CaptureMode? = nil
  ) throws {
    try withTorchErrors {
      let own = DeviceStream(on: device)  // a GPU records graphs on no default stream
      own.wait(for: .current(on: device))
      own.setCurrent()
    }
    self.device = device
    self.context = context
    parts = config.accumulate
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

  /// Whether a step is still to be recorded.
  package var isWarmingUp: Bool { recorder?.isWarmingUp ?? false }

  /// What a step tells about itself.
  package struct Step {
    /// The mean over the ranks.
    package let loss: Double
    /// Of this rank's images, on the device. It holds until the next step.
    package let output: StepOutput
    /// A signal that came to one of the ranks.
    package let signal: Int32?
  }

  /// One training step on this rank's rows of the views, N×3×H×W.
  ///
  /// - Parameters:
  ///   - samples: The images' numbers in the data set, N.
  ///   - index: the step's number, which decides what is drawn in it.
  ///   - rate: the learning rate.
  ///   - m: the key encoder's momentum.
  ///   - signal: what came to this rank; all learn of it.
  ///   - meanwhile: what this thread does while the device computes.
  /// - Throws: ``Divergence`` for a loss that is not a number. Weights are spoiled then; the last checkpoint is not.
  package func step(
    _ views: [Tensor], samples: [Int], index: Int, rate: Double, momentum m: Double,
    signal: Int32? = nil, meanwhile: () -> Void = {}
  ) throws -> Step {
    let (loss, outputs): (Tensor, [StepOutput]) = try withTorchErrors {
      let batches = (0..<parts).map { part in
        let rows = share(part, of: views[0].shape.first ?? 0)
        var batch = ViewBatch(
          views.map { $0.narrowed(rows) }, samples: Array(samples[rows]), step: index, part: part)
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
    // The one place of a step that waits for the device. Where a peer has left, only the first of the two ends.
    try withTorchErrors { context.group.wait(for: device) }
    let own = try withTorchErrors { loss.item() }
    let rows = try context.rows([own, Double(signal ?? 0)])
    if let bad = rows.firstIndex(where: { !$0[0].isFinite }) {
      throw Divergence(loss: rows[bad][0], rank: bad)
    }
    return Step(
      loss: rows.map { $0[0] }.reduce(0, +) / Double(rows.count), output: outputs[0],
      signal: rows.map { Int32($0[1]) }.first { $0 != 0 })
  }

  /// The loss of a part of a batch; its gradient is added to the parameters'.
  private func pass(_ batch: ViewBatch, isLast: Bool) -> StepOutput {
    var output = withPrecision(precision, on: device) { method.forward(batch) }
    if isLast { reducer?.prepare() }
    (parts == 1 ? output.loss : output.loss / Double(parts)).backward()
    output.loss = output.loss.detached()
    return output
  }

  /// The same where steps are recorded.
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

  private func share(_ part: Int, of count: Int) -> Range<Int> {
    let share = count / parts
    return part * share..<(part + 1) * share
  }

  /// How the features of a step lie, and the queue after it.
  /// - Parameters:
  ///   - step: the latest.
  ///   - count: steps made so far, with those before a resumption. Waits for the device.
  package func diagnostics(of step: Step, count: Int) throws -> Diagnostics? {
    guard let (queries, keys) = step.output.features else { return nil }
    return try withTorchErrors {
      var found = Diagnostics(queries: queries, keys: keys)
      if let queue = method.dictionary {
        let keys = step.output.keys?.shape.first ?? 0
        found.observe(queue: queue.keys, steps: count, keysPerStep: keys * parts)
      }
      return found
    }
  }
}

/// A loss that is not a number.
package struct Divergence: Error {
  package let loss: Double
  package let rank: Int
}

// MARK: - Keeping

extension Learner {
  /// The optimizer's memory, named by the parameters it belongs to.
  package var optimizerState: [(name: String, tensor: Tensor)] {
    optimizer.state(named: method.trainable.map(\.name))
  }

  /// Everything of the method that a resumed run needs.
  package var modelState: [(name: String, tensor: Tensor)] { method.state.map { ($0.name, $0.tensor) } }

  /// Whether every weight is finite.
  package var isFinite: Bool { method.trainable.allSatisfy { $0.tensor.isAllFinite() } }

  /// Rank 0's weights, keys and memory, in every rank.
  package func share() throws {
    try withTorchErrors {
      withNoGrad { for (_, tensor) in modelState + optimizerState { context.group.broadcast(tensor) } }
      context.group.wait(for: device)
    }
  }

  /// Rank 0's batch statistics, in every rank: what is measured is then the encoder that is saved. Training does not
  /// look at them.
  package func shareStatistics() throws {
    try withTorchErrors {
      withNoGrad { method.encoderQ.buffers.forEach { context.group.broadcast($0) } }
      context.group.wait(for: device)
    }
  }

  /// The first rank whose weights or keys are not rank 0's to the bit, as they must be. Batch statistics are each
  /// rank's own.
  package func rankOutOfStep() throws -> Int? {
    guard context.rank.count > 1 else { return nil }
    let tensors = method.trainable.map(\.tensor) + method.replicated
    let own = try withTorchErrors { tensors.map { $0.withUnsafeBytes { Double(crc32($0)) } } }
    let rows = try context.rows(own)
    return rows.indices.first { rows[$0] != rows[0] }
  }

  /// Goes on where a checkpoint stands. Returns its state.
  package func restore(_ checkpoint: Checkpoint, config: RunConfig, data fingerprint: UInt32) throws -> TrainingState
  {
    guard let state = checkpoint.state else {
      throw RunError("\(checkpoint.path): these are weights only; a run cannot go on from them.")
    }
    let differences = try RunConfig(checkpoint).differences(from: config)
    guard differences.isEmpty else {
      throw UsageError(
        "\(checkpoint.path) belongs to another run (\(differences.joined(separator: "; "))). Choose another --out."
      )
    }
    guard state.extra["data"] == Double(fingerprint) else {
      throw UsageError(
        "\(checkpoint.path) belongs to a run on other images. Restore that data set, or choose another --out."
      )
    }
    try restoreTensors(modelState, from: checkpoint.model, in: checkpoint.path)
    try restoreTensors(optimizerState, from: checkpoint.optimizer, in: checkpoint.path)
    restore(state)
    return state
  }

  /// The places that are no tensors.
  package func restore(_ state: TrainingState) {
    method.dictionary?.restore(pointer: state.queuePointer ?? 0)
    optimizer.restore(steps: state.optimizerSteps)
  }

  private func restoreTensors(
    _ mine: [(name: String, tensor: Tensor)], from saved: [String: Tensor], in path: String
  ) throws {
    guard mine.count == saved.count else {
      throw RunError("\(path): \(saved.count) tensors were saved and \(mine.count) are needed.")
    }
    try withTorchErrors {
      try withNoGrad {
        for (name, tensor) in mine {
          guard let source = saved[name], source.shape == tensor.shape else {
            throw RunError("\(path): the tensor \(name) is missing or has another shape.")
          }
          tensor.copy(from: source)
        }
      }
    }
  }
}
