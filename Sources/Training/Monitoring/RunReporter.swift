import Distributed

/// Reports to the user and to a run's log.
protocol RunReporter {
  /// Nil except in rank 0.
  var log: EventWriter? { get }
  /// Silent except in rank 0.
  var console: Console { get }
}

extension RunReporter {
  func warn(_ message: String, step: Int = 0) throws {
    console.warn(message)
    try log?.write(.warning(.init(step: step, message: message)))
  }

  /// The work of all ranks to its end, which is reported whatever it is.
  /// - Parameter lastSaved: The step of the newest checkpoint; nil before the first.
  func reportingEnd(
    in context: RankContext, lastSaved: () -> Int?, _ work: () throws -> Pretraining.Outcome
  ) throws -> Pretraining.Outcome {
    let started = ContinuousClock.now
    func seconds() -> Double { (ContinuousClock.now - started) / .seconds(1) }
    do {
      let outcome = try context.run(work)
      try end(outcome == .finished ? .finished : .stopped, step: lastSaved() ?? 0, seconds: seconds())
      return outcome
    } catch {
      let divergedAt = (error as? DivergedRun)?.step
      try? end(
        .failed, step: lastSaved() ?? 0, seconds: seconds(), reason: "\(error)", divergedAt: divergedAt)
      throw error
    }
  }

  /// Reports that a signal ends the run, of which everything is saved.
  func stopped(by signal: Int32, step: Int) -> Pretraining.Outcome {
    console.say("Stopped by a signal after step \(step); everything is saved. The same command continues.")
    return .stopped(signal: signal)
  }

  /// Reports the end of the run. It is the last report.
  func end(
    _ status: RunEvent.End.Status, step: Int, seconds: Double, reason: String? = nil, divergedAt: Int? = nil
  ) throws {
    console.finish()
    try log?.write(
      .end(.init(status: status, step: step, seconds: seconds, reason: reason, divergedAt: divergedAt)))
  }
}
