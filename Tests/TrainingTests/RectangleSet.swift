import TestSupport
import Torch
@testable import Training

extension RectangleSet {
  /// A detector of a few steps.
  static func config(_ change: (inout DetectConfig) -> Void = { _ in }) throws -> DetectConfig {
    var config = try DetectConfig.recipe("small-c4")
    (config.initFile, config.device, config.workers, config.logEvery) = ("random", .named(.cpu), 2, 1)
    (config.shortSides, config.maxSide, config.testShortSide, config.testMaxSide) = ([64], 96, 64, 96)
    config.anchorSizes = [16, 32]
    (config.batchSize, config.roiBatch, config.rpnBatch) = (2, 8, 16)
    (config.rpnPreTrain, config.rpnPostTrain, config.rpnPreTest, config.rpnPostTest) = (100, 30, 50, 10)
    (config.steps, config.decayAt, config.warmupSteps, config.preciseBN) = (4, [], 2, 2)
    change(&config)
    return config
  }

  /// A run in a new folder, unless given.
  @discardableResult
  func run(
    _ config: DetectConfig, to out: String = temporaryFolder() + "/run", resume: Pretraining.Resume = .auto
  ) throws -> String {
    let run = try DetectorTraining(
      config, train: spec, test: spec, out: out, resume: resume, console: Console(quiet: true, silent: true))
    _ = try run.run()
    return out
  }
}
