import Data
import Files
import Foundation
import Methods
import Testing
import Torch
@testable import Training

/// Minutes as a number of steps, from times that are given: no clock is read.
@Suite struct RunTimingTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var minutes = 1.0
    var timing = RunTiming(
      beforeSteps: 4, secondsPerStep: [0.5], betweenEpochs: 0.25, checkpoint: 0.75, knn: 2)
    var stepsPerEpoch = 5
    var knnEvery = 1
    var saveEvery: Int?
    var first = 0
    var testDescription: String { "\(minutes) minutes, \(stepsPerEpoch) steps an epoch, after \(first)" }

    var config: RunConfig {
      var config = RunConfig()
      (config.minutes, config.knnEvery, config.saveEvery) = (minutes, knnEvery, saveEvery)
      return config
    }

    /// The seconds of a run of so many steps more, counted step by step.
    func seconds(_ steps: Int) -> Double {
      var seconds = timing.beforeSteps
      let sizes = timing.secondsPerStep
      for number in first + 1...first + steps {
        seconds += sizes[(number - 1) * sizes.count / (first + steps)]
        let isEpochEnd = number % stepsPerEpoch == 0
        let isEnd = number == first + steps
        if isEpochEnd { seconds += timing.betweenEpochs }
        if isEnd || saveEvery.map({ number % $0 == 0 }) ?? isEpochEnd { seconds += timing.checkpoint }
        if isEnd || isEpochEnd && number / stepsPerEpoch % knnEvery == 0 { seconds += timing.knn ?? 0 }
      }
      return seconds
    }
  }

  /// All times are multiples of 1/4 s, so that sums are exact.
  static let cases = [
    Case(), Case(knnEvery: 3), Case(saveEvery: 3), Case(first: 7), Case(minutes: 3.5, first: 13),
    Case(minutes: 0.25),
    // More images than fit: less than an epoch.
    Case(stepsPerEpoch: 1000), Case(stepsPerEpoch: 1000, first: 990),
    Case(timing: RunTiming(beforeSteps: 0.25, secondsPerStep: [0.25]), stepsPerEpoch: 7),
    // Views that grow: equal shares of the steps.
    Case(timing: RunTiming(beforeSteps: 1, secondsPerStep: [0.25, 0.5, 1.25], checkpoint: 0.25)),
    Case(timing: RunTiming(beforeSteps: 1, secondsPerStep: [0.25, 1]), first: 31),
  ]

  /// Brute force over the number of steps.
  @Test(arguments: cases) func theMostStepsThatEndInTimeAreMade(which: Case) throws {
    let last = try which.timing.steps(
      of: which.config, stepsPerEpoch: which.stepsPerEpoch, after: which.first)
    let all = which.minutes * 60
    let limit = all - max(1, 0.03 * all)
    let most = (1...2000).last { which.seconds($0) <= limit }
    #expect(last - which.first == most)
    #expect(which.seconds(last - which.first) < all)
  }

  /// An epoch of hours is saved every ten minutes too.
  @Test func checkpointsInALongEpochCount() throws {
    let which = Case(
      minutes: 100, timing: RunTiming(beforeSteps: 0, secondsPerStep: [1], checkpoint: 60),
      stepsPerEpoch: 100_000)
    // 5820 s are left: n steps, ⌊n/600⌋ checkpoints and the last one take n + 60·(⌊n/600⌋ + 1) s.
    let last = try which.timing.steps(of: which.config, stepsPerEpoch: 100_000, after: 0)
    #expect(last == 5280)
  }

  @Test func aTimeInWhichNoStepFitsIsRefusedWithOneThatDoes() throws {
    let which = Case(minutes: 0.1, timing: RunTiming(beforeSteps: 5, secondsPerStep: [2], checkpoint: 0.5))
    #expect(
      throws: UsageError(
        "--minutes 0.1: 5.0 s have gone by before the first step, and this step takes 2.5 s with its checkpoint and "
          + "measurements, so that it does not end in time. Give at least --minutes 0.2.")
    ) { try which.timing.steps(of: which.config, stepsPerEpoch: 5, after: 0) }
    var longer = which
    longer.minutes = 0.2
    #expect(try longer.timing.steps(of: longer.config, stepsPerEpoch: 5, after: 0) >= 1)
  }

  // MARK: - The schedule

  private func decided(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    var config = try RunConfig.recipe("cifar")
    (config.minutes, config.steps) = (10, 50)
    change(&config)
    return config
  }

  /// lr · ½(1 + cos(π·step/50)): 200 epochs of the recipe, of whatever length, become 50 steps.
  @Test func aCosineEndsWithTheRun() throws {
    let config = try decided()
    for perEpoch in [7, 1000] {
      for step in 0...50 {
        let rate = config.hyperparameters(step: step, stepsPerEpoch: perEpoch).learningRate
        // Sums and products of numbers below 1.
        #expect(abs(rate - 0.06 * 0.5 * (1 + cos(.pi * Double(step) / 50))) < 1e-15)
      }
    }
    #expect(config.totalSteps(of: 7) == 50 && config.totalSteps(of: 1000) == 50 && config.epochCount == nil)
  }

  @Test func milestonesAndWarmUpAreSharesOfTheRun() throws {
    let stepped = try decided { $0.schedule = .milestones([120, 160]) }
    func rate(_ config: RunConfig, _ step: Int) -> Double {
      config.hyperparameters(step: step, stepsPerEpoch: 7).learningRate
    }
    #expect(rate(stepped, 29) == 0.06 && rate(stepped, 30) == 0.06 * 0.1 && rate(stepped, 39) == 0.06 * 0.1)
    #expect(rate(stepped, 40) == 0.06 * 0.1 * 0.1)
    let warmed = try decided { ($0.warmupEpochs, $0.mocoMCos) = (40, true) }
    // A fifth of the run: 10 steps.
    #expect(rate(warmed, 0) == 0 && abs(rate(warmed, 5) - 0.03) < 1e-15 && rate(warmed, 10) == 0.06)
    let half = warmed.hyperparameters(step: 25, stepsPerEpoch: 7).momentum
    #expect(abs(half - (1 - 0.01 * 0.5)) < 1e-15)
  }

  // MARK: - Options

  private func options(_ arguments: String..., to recipe: RunConfig? = nil) throws -> RunConfig {
    try KeyArguments(arguments).applied(to: recipe ?? .recipe("cifar"))
  }

  @Test(arguments: ["epochs", "steps"]) func minutesWithAnotherLengthAreRefused(key: String) throws {
    let message =
      "--minutes and --\(key) contradict each other: the number of steps follows from the minutes. Give one of them."
    #expect(throws: UsageError(message)) { try options("--minutes", "10", "--\(key)", "5") }
    #expect(throws: UsageError("r.yaml: \(message)")) {
      try RunConfig(recipe: "minutes: 10\n\(key): 5", source: "r.yaml")
    }
  }

  @Test func anOptionsLengthReplacesThatOfTheRecipe() throws {
    let decided = try decided()
    #expect(try options("--minutes", "0.5", to: decided).minutes == 0.5)
    #expect(try options("--minutes", "10", to: decided).isUndecided)
    for other in [["--epochs", "3"], ["--steps", "3"]] {
      #expect(try KeyArguments(other).applied(to: decided).minutes == nil)
    }
    #expect(try options("--lr", "0.1", to: decided).steps == 50)
    #expect(try RunConfig(recipe: "minutes: 10", source: "r.yaml").isUndecided)
    // What a run's folder holds is the decided run.
    #expect(try RunConfig(recipe: decided.yaml(), source: "config.yaml") == decided)
    #expect(try decided.yaml().contains("\nsteps: 50\nminutes: 10"))
  }

  @Test func minutesThatAreNoneAreRefused() throws {
    for (minutes, text) in [(0, "0.0"), (-1, "-1.0"), (Double.nan, "nan"), (Double.infinity, "inf")] {
      var config = try RunConfig.recipe("cifar")
      config.minutes = minutes
      let message = "--minutes \(text): above 0, and at most 1,000,000."
      #expect(throws: UsageError(message)) { try config.validate() }
    }
    var config = try RunConfig.recipe("ig1b")
    config.minutes = 10
    #expect(
      throws: UsageError(
        "--minutes 10.0 with --schedule 0.9x62500: a schedule in steps has a length of its own. Give --schedule cosine, "
          + "or epochs such as 120,160.")
    ) { try config.validate() }
  }
}
