import Distributed
import Methods

// kNN while a run goes on.

extension Pretraining {
  /// Whether kNN is measured after so many steps.
  func isMeasured(after done: Int) -> Bool {
    let (epochs, position) = done.quotientAndRemainder(dividingBy: sampler.batchesPerEpoch)
    return done > 0 && (position == 0 && epochs % config.knnEvery == 0 || done == totalSteps)
  }

  /// Measures kNN.
  /// - Returns: a signal that ends the run and has broken the measurement off.
  func measure(_ monitor: KNNMonitor, step: Int) throws -> Int32? {
    try learner.shareStatistics()
    guard let measured = try monitor.measure(learner.method.encoderQ, isStopped: config.onUSR1.endsRunNow)
    else {
      return try StopRequest.agreed(in: context)
    }
    try reporter.report(knn: measured, step: step)
    return nil
  }

  /// Measures kNN where a run was killed or stopped between a step and the end of its measurement.
  /// - Returns: as ``measure(_:step:)``.
  func measureIfStillDue(_ step: Int) throws -> Int32? {
    guard let monitor,
      step >= totalSteps || lastSaved != nil && isMeasured(after: step) || isGivenStart(step),
      try !hasMeasured(step)
    else { return nil }
    return try measure(monitor, step: step)
  }

  /// Whether these are weights that were given, before the first step.
  private func isGivenStart(_ step: Int) -> Bool { step == 0 && config.initFile != nil }

  /// Whether the log has kNN accuracy after this step.
  private func hasMeasured(_ step: Int) throws -> Bool {
    let measured = writer.map { writer in
      RunLog.read(writer.folder.logPath).contains {
        if case .knn(let measured) = $0 { measured.step == step } else { false }
      }
    }
    return try context.shared(measured) ?? true
  }
}
