import Data
import Distributed
import Evaluation
import Files
import Models
import Torch

// Tests while a network learns, and at its end.

extension TransferTraining {
  /// Looks at the test images before the first step: a test that cannot end would be found after the last one.
  /// - Returns: A warning of the images that the test will leave out; nil where it will take all.
  static func firstLook(
    at test: Task.Dataset, _ config: Task.Config, ranks: Int, _ console: Console
  ) throws -> String? {
    let bad = try test.unusable(
      workers: config.workerCount, progress: console.counting(of: test.count, unit: "test images looked at"))
    do {
      try BadFileRecord.judge(bad, of: test.count, ranks: ranks, allowed: config.maxBad)
    } catch {
      throw RunError("--test \(test.spec): \(error).")
    }
    return bad.first.map {
      "--test \(test.spec): images that the test will leave out, because they cannot be read: \(bad.count), the first: \($0)"
    }
  }

  /// Whether the network is tested after so many steps.
  func isTested(after done: Int) -> Bool {
    done > 0 && (done == config.steps || config.testEvery.map { done % $0 == 0 } ?? false)
  }

  /// Tests where a run was killed or stopped between a step and the end of its test.
  /// - Returns: as ``measure(step:loss:)``.
  func testIfStillDue(_ step: Int) throws -> Int32? {
    guard isTested(after: step), lastSaved != nil, try !hasTested(step) else { return nil }
    return try measure(step: step, loss: resumedLoss)
  }

  /// Whether the log has a test after this step.
  private func hasTested(_ step: Int) throws -> Bool {
    let tested = folder.map { folder in
      RunLog.read(folder.logPath).contains {
        Task.Test($0)?.step == step
      }
    }
    return try context.shared(tested) ?? true
  }

  /// Gives batch normalisation its statistics, saves, and tests.
  ///
  /// The order makes a resumed run equal: a checkpoint of a tested step holds the statistics that the next steps start
  /// from.
  /// - Returns: a signal that ends the run and has broken the test off; everything is saved.
  func measure(step: Int, loss: Double?) throws -> Int32? {
    let isStopped = config.onUSR1.endsRunNow
    if config.preciseBN > 0, !hasPreciseStatistics {
      guard try recomputeStatistics(isStopped) else {
        try save(step: step, loss: loss)
        return try StopRequest.agreed(in: context)
      }
      hasPreciseStatistics = true
      try save(step: step, loss: loss, replaces: true)
    } else {
      try learner.shareStatistics()
      try save(step: step, loss: loss)
    }
    do {
      try test(step: step, isStopped)
      return nil
    } catch is EvaluationStopped {
      return try StopRequest.agreed(in: context)
    }
  }

  /// - Returns: false where a signal broke it off.
  private func recomputeStatistics(_ isStopped: () -> Bool) throws -> Bool {
    let loader = Task.loader(
      train, config, seed: TransferLearner<Task>.statisticsSeed(config.seed), rank: context.rank, from: 0)
    let progress = console.counting(of: config.preciseBN, unit: "batches for statistics")
    do {
      return try learner.recomputeStatistics(
        batches: config.preciseBN, batchSize: config.batchSize, isStopped: isStopped, progress: progress
      ) { try next(of: loader, step: 0) }
    } catch let error as Divergence {
      throw diverged(error, step: lastSaved ?? 0)
    }
  }

  private func test(step: Int, _ isStopped: () -> Bool) throws {
    let found = try learner.test(
      test, config, context: context, step: step, isStopped: isStopped,
      progress: console.counting(of: test.count, unit: "images tested"), out: folder?.path)
    try note(bad: found.badFiles)
    if let test = found.test { try reporter.report(test) }
    for text in found.warnings { try reporter.warn(text, step: step) }
  }
}

extension TransferLearner {
  /// Tests the model; its mode is training's again afterwards.
  func test(
    _ dataset: Task.Dataset, _ config: Task.Config, context: RankContext, step: Int,
    isStopped: () -> Bool = { false }, progress: (_ done: Int) -> Void, out: String?
  ) throws -> TestOutcome<Task.Test> {
    model.train(false)
    defer { model.train() }
    return try Task.test(
      model, dataset, config, context: context, step: step, isStopped: isStopped, progress: progress, out: out
    )
  }
}

extension Console {
  /// Shows the progress of so many things, if it takes a while.
  func counting(of total: Int, unit: String) -> (_ done: Int) -> Void {
    let start = ContinuousClock.now
    return { done in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if seconds > 2 { self.show(Count(done: done, total: total, seconds: seconds, unit: unit)) }
    }
  }
}
