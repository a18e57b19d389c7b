import MomentumContrast
import Torch

/// Training steps on random images: forward of both encoders, loss, gradient, update, enqueue.
final class SyntheticSteps {
  private let config: RunConfig
  private let learner: Learner
  private let views: [Tensor]
  private var made = 0

  init(_ config: RunConfig, on device: Device) throws {
    self.config = config
    learner = try Learner(config, images: config.batchSize, device: device)
    let generator = Generator(seed: 1)
    let shape = [config.batchSize, 3, config.imageSize, config.imageSize]
    views = try withTorchErrors {
      (0..<2).map { _ in Tensor.normal(shape, using: generator).to(device).contiguous(.channelsLast) }
    }
  }

  /// Makes a step.
  /// - Returns: the seconds it took, until the device had finished it.
  @discardableResult
  func step() throws -> Double {
    let started = ContinuousClock.now
    _ = try learner.step(
      views[0], views[1], samples: Array(0..<config.batchSize), index: made, rate: config.lr,
      momentum: config.mocoM)
    made += 1
    return (ContinuousClock.now - started) / .seconds(1)
  }

  /// What a step computes: its convolutions and products as they come, and what the optimizer and the key encoder's
  /// average read and write.
  func work() throws -> Work {
    var work = try Work.counted { try step() }
    let weights = Double(learner.method.trained.reduce(0) { $0 + $1.tensor.count })
    // The optimizer reads weight, gradient and momentum and writes weight and momentum; the average reads two weights and
    // writes one; 4 bytes each. Two and three operations a step of each kind.
    work.bytes += weights * 4 * (5 + 3)
    work.operations += weights * (4 + 3)
    return work
  }
}

/// The middle one, or the upper of the two in the middle.
func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
