import Torch

/// Times training steps on synthetic images, and compares them with what the machine could do.
public struct StepBenchmark: Sendable {
  private let config: RunConfig
  private let warmup: Int
  private let steps: Int

  public struct Result: Codable, Sendable {
    public var imagesPerSecond: Double
    /// The median step.
    public var secondsPerStep: Double
    public var roofline: Roofline
    public var torch: String
    public var threads: Int
    public var device: String
    public var precision: Precision
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
    let made = try SyntheticSteps(config, on: device)
    var limits = try MachineLimits(config.precision, on: device)
    let work = try made.work()
    for _ in 0..<warmup { try made.step() }
    // Before and after the steps: a machine that others use is not always the same.
    try limits.measure()
    let seconds = median(try (0..<steps).map { _ in try made.step() })
    try limits.measure()
    return Result(
      imagesPerSecond: Double(config.batchSize) / seconds, secondsPerStep: seconds,
      roofline: Roofline(work, secondsPerStep: seconds, limits: limits), torch: Runtime.version,
      threads: Runtime.threads, device: device.description, precision: config.precision)
  }
}
