import Files
import Methods
import Torch

/// Times steps with a small and with a large dictionary in turns, so that a busy machine slows both.
package struct QueueBenchmark: Sendable {
  private let config: RunConfig
  private let sizes: [Int]
  private let warmup: Int
  private let rounds: Int

  package struct Result: Codable, Sendable {
    package struct Size: Codable, Sendable {
      /// *K*
      package var keys: Int
      /// The median step.
      package var secondsPerStep: Double
    }
    package var sizes: [Size]
    /// The time of the last size's step divided by the first's: the median over the rounds.
    package var ratio: Double
    package var torch: String
    package var threads: Int
    package var device: String
    package var precision: Precision
  }

  /// - Parameters:
  ///   - config: The recipe of the step, except *K*.
  ///   - sizes: Dictionary sizes *K*, at least one.
  ///   - warmup: The number of steps of each before the timed ones.
  ///   - rounds: The number of timed steps of each, at least 1.
  package init(config: RunConfig, sizes: [Int], warmup: Int, rounds: Int) {
    self.config = config
    self.sizes = sizes
    self.warmup = warmup
    self.rounds = rounds
  }

  package func run() throws -> Result {
    let device = try config.device.resolve()
    let all = try sizes.map { size in
      var config = config
      config.mocoK = size
      return try SyntheticSteps(config, on: device)
    }
    for _ in 0..<warmup { for one in all { try one.step() } }
    for one in all { while one.isWarmingUp { try one.step() } }
    let taken = try (0..<rounds).map { _ in try all.map { try $0.step() } }
    return Result(
      sizes: sizes.indices.map { i in .init(keys: sizes[i], secondsPerStep: median(taken.map { $0[i] })) },
      ratio: median(taken.map { $0[sizes.count - 1] / $0[0] }), torch: Runtime.version,
      threads: Runtime.kernelThreads,
      device: device.description, precision: config.precision)
  }
}
