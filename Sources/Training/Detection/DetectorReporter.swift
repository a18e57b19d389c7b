import Evaluation
import Files

/// Reports a detector's progress on the console and in the log. Only the first rank has a log and is heard.
final class DetectorReporter: RunReporter {
  private let config: DetectConfig
  private let images: Int
  let log: EventWriter?
  let console: Console

  /// - Parameter images: Of the training set.
  init(_ config: DetectConfig, images: Int, log: EventWriter?, console: Console) {
    (self.config, self.images, self.log, self.console) = (config, images, log, console)
  }

  /// Reports the start of the run, before its first step.
  func announce(_ start: RunEvent.Detector, test: String, folder: String?) throws {
    try log?.write(.detector(start))
    console.say("training  \(start.train)")
    console.say("test      \(test)")
    let learned = ["boxes"] + (config.masks ? ["masks"] : []) + (config.keypoints ? ["keypoints"] : [])
    console.say(
      "detector  \(config.detector.rawValue) with \(config.arch.rawValue), \(learned.joined(separator: ", ")); batch "
        + "normalisation \(config.norm.rawValue)\(config.freezeAt > 0 ? ", frozen up to stage \(config.freezeAt)" : "")"
    )
    console.say(
      "steps     \(config.steps) of \(config.batchSize) images on \(start.host.device), "
        + "\(fixed(Double(config.steps * config.batchSize) / Double(images), 1)) epochs; rate \(config.lr)"
        + (config.decayAt.all.isEmpty ? "" : ", × \(config.gamma) at \(config.decayAt.text)"))
    if start.ranks > 1 {
      console.say("ranks     \(start.ranks), each \(config.batchSize / start.ranks) images of a step")
    }
    if let folder { console.say("run       \(folder)") }
    if let step = start.resumedFrom { console.say("resumed   after step \(step)") }
    for note in start.notes ?? [] { console.say("start     \(note)") }
    let late = config.decayAt.all.filter { $0 >= config.steps }
    if !late.isEmpty {
      try warn(
        "--decay-at \(config.decayAt.text): the run has \(config.steps) steps, so the learning rate does not fall at "
          + "\(late.map(String.init).joined(separator: ", ")).", step: start.resumedFrom ?? 0)
    }
  }

  /// Reports a step, when `done` steps are made.
  func report(_ made: DetectorLearner.Step, done: Int, rate: Double, speed: Meter.Speed) throws {
    try log?.write(
      .losses(
        .init(
          step: done, epoch: Double(done * config.batchSize) / Double(images), loss: made.loss,
          losses: made.losses, lr: rate, proposals: made.proposals, foreground: made.foreground,
          imagesPerSecond: speed.imagesPerSecond, dataWait: speed.dataWait)))
    console.show(
      Console.DetectorProgress(
        step: done, steps: config.steps, losses: made.losses, imagesPerSecond: speed.imagesPerSecond,
        dataWait: speed.dataWait, secondsLeft: speed.secondsPerStep * Double(config.steps - done)),
      final: done == config.steps)
  }

  /// Reports a test.
  func report(_ test: RunEvent.Detection) throws {
    try log?.write(.detection(test))
    console.say(
      "step \(test.step)  test on \(test.images) images by the rules of \(test.metric.rawValue), \(test.detections) detections, "
        + duration(test.seconds))
    for line in test.scores.flatMap({ $0.table() }) { console.say("  \(line)") }
  }
}
