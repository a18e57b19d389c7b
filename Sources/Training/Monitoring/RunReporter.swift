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

  /// Reports the end of the run. It is the last report.
  func end(
    _ status: RunEvent.End.Status, step: Int, seconds: Double, reason: String? = nil, divergedAt: Int? = nil
  ) throws {
    console.finish()
    try log?.write(
      .end(.init(status: status, step: step, seconds: seconds, reason: reason, divergedAt: divergedAt)))
  }
}
