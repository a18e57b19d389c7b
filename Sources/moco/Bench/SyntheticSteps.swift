import Methods
import Torch
import Training
import Weights

/// Training steps on random images: forward of both encoders, loss, gradient, update, enqueue.
final class SyntheticSteps {
  private let config: RunConfig
  private let learner: Learner
  private let views: [Tensor]
  private var made = 0
  /// Of every step so far.
  private(set) var losses: [Double] = []

  init(_ config: RunConfig, on device: Device) throws {
    self.config = config
    learner = try Learner(config, images: config.batchSize, device: device)
    let generator = Generator(seed: 1)
    let shape = [config.batchSize, 3, config.imageSize, config.imageSize]
    views = try withTorchErrors {
      (0..<2).map { _ in Tensor.normal(shape, using: generator).to(device).contiguous(.channelsLast) }
    }
  }

  var notRecorded: String? { learner.whyNotRecorded }

  /// Whether the next steps differ from later ones.
  var isWarmingUp: Bool { learner.isWarmingUp }

  /// Makes a step.
  /// - Returns: The seconds until the device has finished it.
  @discardableResult
  func step() throws -> Double {
    let started = ContinuousClock.now
    let step = try learner.step(
      views, samples: Array(0..<config.batchSize), index: made, rate: config.lr,
      momentum: config.mocoM)
    losses.append(step.loss)
    made += 1
    return (ContinuousClock.now - started) / .seconds(1)
  }

  /// Writes weights, keys and dictionary, with the names of checkpoints.
  func write(to path: String) throws { try Safetensors.write(learner.modelState, to: path) }

  func footprint() throws -> Footprint { try withTorchErrors { try learner.footprint(config) } }

  /// Updates the key encoder and the weights as a step does, without its passes. Measure it after the steps.
  /// - Returns: The seconds until the device has finished it.
  func update() throws -> Double {
    try withTorchErrors {
      let trained = learner.optimizer.parameters
      withNoGrad { for tensor in trained { tensor.gradient = tensor.detached() * 0 } }
      DeviceStream.current(on: learner.device).wait()
      let started = ContinuousClock.now
      learner.method.beforeForward(momentum: config.mocoM)
      learner.optimizer.step(learningRate: config.lr)
      DeviceStream.current(on: learner.device).wait()
      return (ContinuousClock.now - started) / .seconds(1)
    }
  }

  /// The work of a step: its convolutions and products as counted, and the memory traffic of the optimizer
  /// and of the key encoder's average.
  func work() throws -> Work {
    var work = try Work.counted { try step() }
    let weights = Double(learner.method.trainable.reduce(0) { $0 + $1.tensor.count })
    // SGD reads weight, gradient and momentum and writes weight and momentum, with two products and two sums;
    // the average reads two weights and writes one, with a difference, a product and a sum; 4 bytes each. For
    // other optimizers, and methods without a key encoder, this is an approximation: it is a small part of a
    // step.
    work.bytes += weights * 4 * (5 + 3)
    work.operations += weights * (4 + 3)
    return work
  }
}
