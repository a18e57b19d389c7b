import Evaluation
import Files

/// Reports a task's progress on the console and in the log. Only the first rank has a log and is heard.
final class TransferReporter<Config: TransferConfig>: RunReporter {
  private let config: Config
  private let images: Int
  let log: EventWriter?
  let console: Console

  /// - Parameter images: Of the training set.
  init(_ config: Config, images: Int, log: EventWriter?, console: Console) {
    (self.config, self.images, self.log, self.console) = (config, images, log, console)
  }

  /// Reports the start of the run, before its first step.
  func announce(_ start: RunEvent.TaskStart<Config>, test: String, folder: String?) throws {
    try log?.write(Config.event(start))
    console.say("training  \(start.train)")
    console.say("test      \(test)")
    console.say(Config.Spec.noun.padded(to: 10) + config.networkSummary)
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
  func report(_ made: TransferStep, done: Int, rate: Double, speed: Meter.Speed) throws {
    try log?.write(
      .losses(
        .init(
          step: done, epoch: Double(done * config.batchSize) / Double(images), loss: made.loss,
          losses: made.losses, lr: rate, proposals: made.boxes?.proposals,
          foreground: made.boxes?.foreground,
          imagesPerSecond: speed.imagesPerSecond, dataWait: speed.dataWait)))
    console.show(
      Console.LossProgress(
        step: done, steps: config.steps, losses: made.losses, imagesPerSecond: speed.imagesPerSecond,
        dataWait: speed.dataWait, secondsLeft: speed.secondsPerStep * Double(config.steps - done)),
      final: done == config.steps)
  }

  /// Reports a test.
  func report(_ test: some TransferTest) throws {
    try log?.write(test.event)
    let lines = test.lines
    console.say("step \(test.step)  \(lines.first ?? "")")
    for line in lines.dropFirst() { console.say("  \(line)") }
  }
}
