import Files
import Methods

/// The times of a run's parts on this machine: by them the minutes of a run become a number of steps.
package struct RunTiming: Codable, Sendable, Equatable {
  /// Seconds from the start of the program to the first step.
  package var beforeSteps: Double
  /// Seconds of a step of each size of views, waiting for images included; at least one size.
  package var secondsPerStep: [Double]
  /// Seconds of the method's work between two epochs.
  package var betweenEpochs: Double
  /// Seconds of a checkpoint.
  package var checkpoint: Double
  /// Seconds of a kNN measurement; nil if the run makes none.
  package var knn: Double?

  package init(
    beforeSteps: Double, secondsPerStep: [Double], betweenEpochs: Double = 0, checkpoint: Double = 0,
    knn: Double? = nil
  ) {
    (self.beforeSteps, self.secondsPerStep, self.betweenEpochs) = (beforeSteps, secondsPerStep, betweenEpochs)
    (self.checkpoint, self.knn) = (checkpoint, knn)
  }

  /// Seconds of the run's time that are left over: 3 %, and at least one. Machines slow down, and programs need a moment
  /// to load and to end.
  static func reserve(of seconds: Double) -> Double { max(1, 0.03 * seconds) }

  /// The number of steps of a run that ends within its minutes, those before this session included.
  /// - Parameters:
  ///   - config: The run's; it has minutes.
  ///   - stepsPerEpoch: Steps of an epoch, at least 1.
  ///   - first: The steps that are made already.
  /// - Throws: `UsageError` if not one step more ends in time.
  package func steps(of config: RunConfig, stepsPerEpoch: Int, after first: Int) throws -> Int {
    guard let minutes = config.minutes else { preconditionFailure("a run without minutes") }
    let course = Course(timing: self, config: config, stepsPerEpoch: stepsPerEpoch, first: first)
    let limit = minutes * 60 - RunTiming.reserve(of: minutes * 60)
    guard course.seconds(to: first + 1) <= limit else { throw tooShort(minutes, course) }
    // The most steps that end in time: the seconds grow with the steps.
    var (fits, tooMany) = (1, Int(min(limit / fastestStep, 1e12)) + 2)
    while tooMany - fits > 1 {
      let middle = (fits + tooMany) / 2
      if course.seconds(to: first + middle) <= limit { fits = middle } else { tooMany = middle }
    }
    return first + fits
  }

  /// Of all sizes; above 0.
  var fastestStep: Double { max(secondsPerStep.min() ?? 0, 1e-9) }

  private func tooShort(_ minutes: Double, _ course: Course) -> UsageError {
    let one = course.seconds(to: course.first + 1)
    let least = max(one + 1, one / 0.97) / 60
    return UsageError(
      "--minutes \(minutes): \(fixed(beforeSteps, 1)) s have gone by before the first step, and this step takes "
        + "\(fixed(one - beforeSteps, 1)) s with its checkpoint and measurements, so that it does not end in time. Give at "
        + "least --minutes \(fixed((least * 10).rounded(.up) / 10, 1)).")
  }

  /// The measurement as a sentence without a full stop.
  var summary: String {
    let ofSteps = secondsPerStep.map { fixed($0, 3) }.joined(separator: ", ")
    var parts = ["\(ofSteps) s a step", "\(fixed(checkpoint, 2)) s a checkpoint"]
    if betweenEpochs >= 0.01 { parts.append("\(fixed(betweenEpochs, 2)) s between epochs") }
    if let knn { parts.append("\(fixed(knn, 1)) s a kNN measurement") }
    return "measured: \(parts.joined(separator: ", ")); \(fixed(beforeSteps, 1)) s before the first step"
  }
}

/// The seconds of a run's session, by the number of its last step.
private struct Course {
  let timing: RunTiming
  let config: RunConfig
  let stepsPerEpoch: Int
  let first: Int

  func seconds(to last: Int) -> Double {
    let inSteps = secondsOfSteps(to: last)
    return timing.beforeSteps + inSteps + Double(ends(to: last)) * timing.betweenEpochs
      + saves(to: last, seconds: inSteps) * timing.checkpoint + measurements(to: last) * (timing.knn ?? 0)
  }

  /// Each size has its share of all steps, of which some are made already; see ``RunConfig/viewSide(step:stepsPerEpoch:)``.
  private func secondsOfSteps(to last: Int) -> Double {
    let sizes = timing.secondsPerStep.count
    func begin(_ size: Int) -> Int { max(first, (size * last + sizes - 1) / sizes) }
    return timing.secondsPerStep.enumerated().reduce(0) { sum, size in
      sum + Double(begin(size.offset + 1) - begin(size.offset)) * size.element
    }
  }

  /// Epochs that end.
  private func ends(to last: Int) -> Int { last / stepsPerEpoch - first / stepsPerEpoch }

  /// Checkpoints: at the end of each epoch and every ten minutes, or as the configuration has them; one at the end.
  private func saves(to last: Int, seconds: Double) -> Double {
    let interval = config.saveEvery ?? stepsPerEpoch
    let regular = last / interval - first / interval + (last.isMultiple(of: interval) ? 0 : 1)
    let timed = config.saveEvery == nil ? (seconds / 600).rounded(.down) : 0
    return Double(regular) + timed
  }

  /// kNN: after every so many epochs, and at the end.
  private func measurements(to last: Int) -> Double {
    func epochs(_ step: Int) -> Int { step / stepsPerEpoch / config.knnEvery }
    let isAtEnd = last.isMultiple(of: stepsPerEpoch) && (last / stepsPerEpoch).isMultiple(of: config.knnEvery)
    return Double(epochs(last) - epochs(first) + (isAtEnd ? 0 : 1))
  }
}
