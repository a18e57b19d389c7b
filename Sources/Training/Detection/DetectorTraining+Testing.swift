import Data
import Distributed
import Evaluation
import Files
import Models
import Torch

// Tests while a detector learns, and at its end.

extension DetectorTraining {
  /// Whether the detector is tested after so many steps.
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
        if case .detection(let test) = $0 { test.step == step } else { false }
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
    let isStopped = { StopRequest.pending.map(self.config.onUSR1.endsRun) ?? false }
    if config.preciseBN > 0, !hasPreciseStatistics {
      guard try recomputeStatistics(isStopped) else {
        try save(step: step, loss: loss)
        return try agreedSignal()
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
      return try agreedSignal()
    }
  }

  private func agreedSignal() throws -> Int32? {
    StopRequest.agreed(try context.rows([Double(StopRequest.take() ?? 0)]).map { Int32($0[0]) })
  }

  /// - Returns: false where a signal broke it off.
  private func recomputeStatistics(_ isStopped: () -> Bool) throws -> Bool {
    var sampling = config.sampling(of: train, rank: context.rank)
    sampling.seed = DetectorLearner.statisticsSeed(config.seed)
    let loader = DetectionLoader(
      train, sampling, config.resize, flip: config.flip, workers: config.workerCount, maxBad: config.maxBad)
    let progress = console.counting(of: config.preciseBN, unit: "batches for statistics")
    do {
      return try learner.recomputeStatistics(
        batches: config.preciseBN, batchSize: config.batchSize, isStopped: isStopped, progress: progress
      ) { try loader.next()?.examples ?? [] }
    } catch let error as Divergence {
      throw diverged(error, step: lastSaved ?? 0)
    }
  }

  private func test(step: Int, _ isStopped: () -> Bool) throws {
    let tester = DetectorTester(config, test, context: context)
    let progress = console.counting(of: test.count, unit: "images tested")
    let found = try tester.run(
      learner.model, step: step, isStopped: isStopped, progress: { done, _ in progress(done) },
      results: folder?.resultsPath)
    try note(bad: found.badFiles)
    if let event = found.event { try reporter.report(event) }
    for text in found.warnings { try reporter.warn(text, step: step) }
  }
}

/// Tests a detector and measures what it found.
package struct DetectorTester {
  private let config: DetectConfig
  private let dataset: DetectionDataset
  private let context: RankContext

  package init(_ config: DetectConfig, _ dataset: DetectionDataset, context: RankContext) {
    (self.config, self.dataset, self.context) = (config, dataset, context)
  }

  package struct Outcome {
    /// Nil except in rank 0.
    package let event: RunEvent.Detection?
    package let warnings: [String]
    package let badFiles: [BadFile]
  }

  /// - Parameters:
  ///   - model: Its mode is training's again afterwards.
  ///   - path: Of the file of results; only rank 0's counts.
  package func run(
    _ model: GeneralizedRCNN, step: Int, isStopped: () -> Bool = { false },
    progress: (_ done: Int, _ all: Int) -> Void, results path: String?
  ) throws -> Outcome {
    let started = ContinuousClock.now
    model.train(false)
    defer { model.train() }
    let inference = DetectorInference(
      dataset, config.testResize, workers: config.workerCount, maxBad: config.maxBad, context: context)
    let found = try inference.results(of: model, isStopped: isStopped, progress: progress)
    guard context.isFirst, let path else {
      return Outcome(event: nil, warnings: [], badFiles: found.badFiles)
    }
    try found.results.write(to: path)
    var kinds = [DetectionScores.Kind.bbox]
    if model.spec.hasMasks { kinds.append(.segm) }
    if model.spec.keypoints > 0 { kinds.append(.keypoints) }
    let measured = try DetectionMeasure(config.metric, dataset).scores(ofResults: path, kinds)
    return Outcome(
      event: RunEvent.Detection(
        step: step, metric: config.metric, images: dataset.count, detections: found.results.count,
        seconds: (ContinuousClock.now - started) / .seconds(1), scores: measured.scores),
      warnings: measured.warnings, badFiles: found.badFiles)
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
