import Files
import Methods
import Torch

/// Reports a run's progress on the console and in the log. Only the first rank reports; the others have a
/// silent console and no log.
final class ProgressReporter: RunReporter {
  private let config: RunConfig
  private let ranks: Int
  private let stepsPerEpoch: Int
  let log: EventWriter?
  let console: Console
  private var collapse = CollapseDetector()
  private var leak = ShortcutDetector()
  private var reportedRecording: String?

  init(_ config: RunConfig, ranks: Int, stepsPerEpoch: Int, log: EventWriter?, console: Console) {
    (self.config, self.ranks, self.stepsPerEpoch) = (config, ranks, stepsPerEpoch)
    (self.log, self.console) = (log, console)
  }

  private var totalSteps: Int { config.totalSteps(of: stepsPerEpoch) }

  /// Reports the start of the run, before its first step.
  /// - Parameter folder: The run's folder.
  func announce(_ start: RunEvent.Start, folder: String?) throws {
    try log?.write(.start(start))
    console.say("data      \(start.data)")
    console.say("network   \(config.networkSummary(images: start.images))")
    console.say(
      "training  \(totalSteps) steps of \(config.batchSize) images on \(start.host.device), "
        + "\(stepsPerEpoch) steps an epoch")
    if let minutes = config.minutes {
      console.say(
        "time      \(minutes) minutes: \(totalSteps) steps, \(fixed(Double(totalSteps) / Double(stepsPerEpoch), 2)) epochs"
      )
    }
    if let sizes = config.imageSizes {
      console.say("views     of \(sizes.text) pixels, each for an equal share of the steps")
    }
    console.say("expect    \(config.expectedLoss(images: start.images, ranks: ranks).text)")
    if let groups = config.normalizationSummary(ranks: ranks) { console.say("groups    \(groups)") }
    if ranks > 1 { console.say("ranks     \(ranks), each \(config.batchSize / ranks) images of a step") }
    if let folder { console.say("run       \(folder)") }
    if let step = start.resumedFrom { console.say("resumed   after step \(step)") }
    for note in start.notes ?? [] { console.say("start     \(note)") }
    for message in config.warnings(images: start.images, ranks: ranks) {
      try warn(message, step: start.resumedFrom ?? 0)
    }
  }

  /// Keeps a picture of what the network sees in the first step, N×3×H×W each.
  func show(_ views: [Tensor]) throws {
    guard let log else { return }
    try log.write(views: ViewSheet.draw(views, config.transform))
  }

  /// Reports a step, when `done` steps are made, and its warnings.
  func report(
    _ made: Learner.Step, done: Int, _ hyperparameters: StepHyperparameters, _ diagnostics: Diagnostics?,
    speed: Meter.Speed,
    starvation: String?
  ) throws {
    let accuracy = try withTorchErrors { made.output.accuracy }
    let epoch = Double(done) / Double(stepsPerEpoch)
    try log?.write(
      .step(
        .init(
          step: done, epoch: epoch, loss: made.loss, lr: hyperparameters.learningRate,
          momentum: config.kind.hasKeyEncoder ? hyperparameters.momentum : nil,
          contrastTop1: accuracy?.top1, contrastTop5: accuracy?.top5, imagesPerSecond: speed.imagesPerSecond,
          dataWait: speed.dataWait, diagnostics: diagnostics)))
    console.show(
      .init(
        epoch: epoch, epochs: config.epochCount, step: done, steps: totalSteps, loss: made.loss,
        contrastTop1: accuracy?.top1, imagesPerSecond: speed.imagesPerSecond, dataWait: speed.dataWait,
        secondsLeft: speed.secondsPerStep * Double(totalSteps - done)),
      final: done == totalSteps)
    leak.note(accuracy?.top1)
    var warnings = [starvation]
    if let diagnostics, let queries = made.output.features?.queries.shape {  // N×C
      warnings += [
        collapse.warning(diagnostics, of: queries, config),
        leak.warning(diagnostics, queries: queries.first ?? 0, step: done, config, ranks: ranks),
      ]
    }
    for message in warnings.compactMap(\.self) { try warn(message, step: done) }
  }

  /// Reports the kNN accuracy of the encoder's features, in per cent.
  func report(knn top1: Double, step: Int) throws {
    let epoch = Double(step) / Double(stepsPerEpoch)
    try log?.write(.knn(.init(step: step, epoch: epoch, top1: top1)))
    let time = epoch == epoch.rounded() ? "\(Int(epoch))" : fixed(epoch, 2)
    console.say("epoch \(time)  kNN top-1 \(fixed(top1, 2)) %")
    if let message = leak.warning(knn: top1, config, ranks: ranks) { try warn(message, step: step) }
  }

  /// Reports once why steps are not captured; nil does nothing.
  func reportRecording(_ reason: String?, step: Int) throws {
    guard let reason, reason != reportedRecording else { return }
    reportedRecording = reason
    console.say("graph     \(reason)")
    try log?.write(.warning(.init(step: step, message: reason)))
  }
}
