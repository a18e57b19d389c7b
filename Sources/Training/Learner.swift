import Backbones
import Checkpoints
import MomentumContrast
import Torch

/// What learns in a run: the method and its optimizer.
public final class Learner {
  public let method: MoCo
  public let optimizer: SGD
  public let device: Device

  /// Fresh weights and keys, drawn from the configuration's seed.
  public init(_ config: RunConfig, device: Device) throws {
    self.device = device
    (method, optimizer) = try withTorchErrors {
      let generator = Generator(seed: config.seed)
      // Keys are drawn first, then f_q; what f_k draws is overwritten by a copy of f_q.
      let queue = KeyQueue(capacity: config.mocoK, dimension: config.mocoDim, on: device, using: generator)
      let method = MoCo(config.method, queue: queue, seed: config.seed) {
        config.makeEncoder(on: device, using: generator)
      }
      let optimizer = SGD(
        method.query.parameters, momentum: config.momentum, weightDecay: config.wd)
      return (method, optimizer)
    }
  }

  /// What a step tells about itself.
  public struct Step {
    public let loss: Double
    /// N×(1+K), on the device.
    public let logits: Tensor
  }

  /// One training step on two views, N×3×H×W. A loss that is not a number moves no weight of f_q and
  /// no key; the caller sees it in the result.
  public func step(_ x1: Tensor, _ x2: Tensor, index: Int, learningRate: Double) throws -> Step {
    try withTorchErrors {
      let output = method(x1, x2, step: index)
      let loss = output.loss.item()  // the one place of a step that waits for the device
      if loss.isFinite {
        output.loss.backward()
        optimizer.step(learningRate: learningRate)
        method.queue.enqueue(output.keys)
      }
      return Step(loss: loss, logits: output.logits.detached())
    }
  }
}

// MARK: - Keeping

extension Learner {
  /// The optimizer's velocities, named as the parameters they belong to.
  var velocities: [(name: String, tensor: Tensor)] {
    zip(method.query.namedParameters, optimizer.velocities).map { ($0.name, $1) }
  }

  /// Whether every weight is a number.
  var isFinite: Bool { method.query.parameters.allSatisfy { $0.isAllFinite() } }

  /// Goes on where a checkpoint stands. Returns its state.
  func restore(_ checkpoint: Checkpoint, config: RunConfig, data fingerprint: UInt32) throws -> TrainingState
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
    try restoreTensors(method.state, from: checkpoint.model, in: checkpoint.path)
    try restoreTensors(velocities, from: checkpoint.optimizer, in: checkpoint.path)
    method.queue.restore(pointer: state.queuePointer ?? 0)
    optimizer.restore(steps: state.optimizerSteps)
    return state
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

extension RunConfig {
  var method: MoCo.Settings {
    MoCo.Settings(
      queueSize: mocoK, dimension: mocoDim, momentum: mocoM, temperature: mocoT, bnGroups: bnSplits,
      symmetric: symmetric)
  }

  /// An encoder with fresh weights.
  public func makeEncoder(on device: Device, using generator: Generator) -> any Backbone {
    let encoder = arch.makeBackbone(
      head: mlp ? MoCoV2.head(dimension: mocoDim) : MoCoV1.head(dimension: mocoDim), stem: stem,
      imageSize: imageSize, bnGroups: bnSplits, using: generator)
    encoder.move(to: device)
    return encoder
  }

  /// The query encoder as it is before the first step.
  public func makeUntrainedEncoder(on device: Device) throws -> any Backbone {
    try Learner(self, device: device).method.query
  }
}
