import Backbones
import Foundation
import MomentumContrast
import Torch

/// Times training steps on synthetic images: forward of both encoders, loss, gradient, update, enqueue.
public struct StepBenchmark: Sendable {
  private let config: RunConfig
  private let warmup: Int
  private let steps: Int

  public struct Result: Codable, Sendable {
    public var imagesPerSecond: Double
    /// The median step.
    public var secondsPerStep: Double
    public var torch: String
    public var threads: Int
    public var device: String
  }

  /// - Parameters:
  ///   - config: The recipe of the step.
  ///   - warmup: steps before those that are timed.
  ///   - steps: steps that are timed, at least 1.
  public init(config: RunConfig, warmup: Int, steps: Int) {
    self.config = config
    self.warmup = warmup
    self.steps = steps
  }

  public func run() throws -> Result {
    let device = try config.device.resolve()
    let learner = try Learner(config, images: config.batchSize, device: device)
    let generator = Generator(seed: 1)
    let shape = [config.batchSize, 3, config.imageSize, config.imageSize]
    let views = (0..<2).map { _ in
      Tensor.normal(shape, using: generator).to(device).contiguous(.channelsLast)
    }
    var seconds: [Double] = []
    for step in 0..<warmup + steps {
      let started = ContinuousClock.now
      _ = try learner.step(
        views[0], views[1], samples: Array(0..<config.batchSize), index: step, rate: config.lr,
        momentum: config.mocoM)
      if step >= warmup { seconds.append((ContinuousClock.now - started) / .seconds(1)) }
    }
    let median = seconds.sorted()[seconds.count / 2]
    return Result(
      imagesPerSecond: Double(config.batchSize) / median, secondsPerStep: median, torch: Runtime.version,
      threads: Runtime.threads, device: device.description)
  }
}
