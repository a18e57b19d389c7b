/// The speed of a run, and its share of time spent waiting for data.
struct Meter {
  private let batchSize: Int
  private var lapStep: Int
  private var lapStart = ContinuousClock.now
  private var waited = 0.0
  private var wholeStart = ContinuousClock.now
  private var wholeStep: Int
  private var laps = 0
  private var starvedLaps = 0
  private var hasWarned = false

  /// - Parameter step: The first step to count.
  init(batchSize: Int, step: Int) {
    self.batchSize = batchSize
    lapStep = step
    wholeStep = step
  }

  struct Speed {
    var imagesPerSecond: Double
    /// 0 … 1
    var dataWait: Double
    /// Over the whole session, to estimate the remaining time.
    var secondsPerStep: Double
  }

  /// Counts one step, with `waited` seconds of waiting for data.
  mutating func count(waited: Double) { self.waited += waited }

  /// The speed since the last lap.
  mutating func lap(step: Int) -> Speed {
    let now = ContinuousClock.now
    let seconds = max((now - lapStart) / .seconds(1), 1e-9)
    let speed = Speed(
      imagesPerSecond: Double((step - lapStep) * batchSize) / seconds, dataWait: min(waited / seconds, 1),
      secondsPerStep: (now - wholeStart) / .seconds(1) / Double(max(step - wholeStep, 1)))
    laps += 1
    if speed.dataWait > 0.3 { starvedLaps += 1 }
    restart(step: step)
    return speed
  }

  /// Leaves out the time since the last lap, such as that of an evaluation.
  mutating func restart(step: Int) {
    lapStep = step
    lapStart = ContinuousClock.now
    waited = 0
  }

  /// One warning per run, if most of the time is spent waiting for data.
  mutating func starvationWarning() -> String? {
    guard !hasWarned, laps >= 20, starvedLaps * 2 > laps else { return nil }
    hasWarned = true
    return "Loading is the bottleneck: over 30 % of the time goes by waiting for images. Try more --workers, "
      + "a faster disk, or images stored closer to --image-size."
  }
}
