import Files
import Foundation
import Methods
import Torch
import Training

/// Times training steps on synthetic images, and compares them with the machine's limits.
package struct StepBenchmark: Sendable {
  private let config: RunConfig
  private let warmup: Int
  private let steps: Int
  private let start: String?

  package struct Result: Codable, Sendable {
    package var imagesPerSecond: Double
    /// The median step.
    package var secondsPerStep: Double
    /// The part for the updates of the key encoder and of the weights: the median.
    package var secondsOfUpdates: Double
    /// Of every step, including those before the timed ones.
    package var losses: [Double]
    /// The reason why steps were not captured, in a sentence; nil if they were, or if it was not requested.
    package var notRecorded: String?
    package var roofline: Roofline
    /// For `moco plan`.
    package var measure: StepMeasure
    package var torch: String
    package var threads: Int
    package var device: String
    package var precision: Precision
  }

  /// - Parameters:
  ///   - config: The recipe of the step.
  ///   - warmup: The number of steps before the timed ones.
  ///   - steps: The number of timed steps, at least 1.
  ///   - start: A safetensors file for weights, keys and dictionary before the first step.
  package init(config: RunConfig, warmup: Int, steps: Int, start: String? = nil) {
    self.config = config
    self.warmup = warmup
    self.steps = steps
    self.start = start
  }

  package func run() throws -> Result {
    let device = try config.device.resolve()
    let program = device == .cpu ? ProcessUse() : nil
    let made = try SyntheticSteps(config, on: device)
    if let start { try made.write(to: start) }
    let work = try made.work()
    for _ in 0..<warmup { try made.step() }
    while made.isWarmingUp { try made.step() }
    let peak = device == .cpu ? ProcessUse()?.peakMemory : nil  // before that of the limits
    var limits = try MachineLimits(config.precision, on: device)
    // Before and after the steps: the speed of a shared machine changes.
    try limits.measure()
    let seconds = median(try (0..<steps).map { _ in try made.step() })
    try limits.measure()
    let losses = made.losses
    let updates = median(try (0..<5).map { _ in try made.update() })
    let measure = StepMeasure(
      config, device: device.description, cores: Cores.own.count,
      threads: Runtime.kernelThreads, secondsPerStep: seconds, secondsOfUpdates: updates,
      programBytes: program?.memory, peakBytes: peak,
      stateBytes: try made.footprint().total)
    return Result(
      imagesPerSecond: Double(config.batchSize) / seconds, secondsPerStep: seconds,
      secondsOfUpdates: updates, losses: losses, notRecorded: made.notRecorded,
      roofline: Roofline(work, secondsPerStep: seconds, limits: limits), measure: measure,
      torch: Runtime.version,
      threads: Runtime.kernelThreads, device: device.description, precision: config.precision)
  }
}
