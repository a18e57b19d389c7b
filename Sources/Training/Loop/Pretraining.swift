import Data
import Distributed
import Files
import Foundation
import Methods
import Torch
import Weights

/// A pre-training run from its first step, or its last checkpoint, to its end.
package final class Pretraining {
  package enum Outcome: Sendable, Equatable {
    case finished
    /// A signal was received; everything was saved.
    case stopped(signal: Int32)
  }

  /// How to treat an existing run.
  package enum Resume: Sendable, Equatable {
    /// Continue the run in the folder.
    case auto
    /// Fail if the folder has a run.
    case never
    /// Carry another run on in a new folder, with other settings or images where these differ. In a folder that was
    /// begun so, continue it.
    case from(String)
  }

  let config: RunConfig
  private let dataPath: String
  let dataset: Dataset
  let context: RankContext
  let writer: RunWriter?  // nil except in rank 0
  private let console: Console
  let reporter: ProgressReporter
  let device: Device
  let learner: Learner
  let sampler: EpochSampler
  let monitor: KNNMonitor?
  private let start: RunStart
  let fingerprint: UInt32
  var lastSaved: Int?
  var lastSavedTime = ContinuousClock.now
  private var lastLoss: Double?
  /// The number of unreadable images that were reported to all ranks.
  var reportedBadFiles = 0
  /// Sentences about shards that broke, which are not reported yet.
  var brokenShards: [String] = []
  private let retries: ShardRetries
  let saveInterval: Duration
  var resumed: TrainingState? { start.state }
  /// The steps made before this session.
  private var first: Int { start.state?.step ?? 0 }

  /// Opens everything a run needs. Errors in the arguments, the data or the folder are thrown here, before
  /// anything is changed.
  /// - Parameters:
  ///   - config: The configuration of the run.
  ///   - data: The path of the images; every rank reads them.
  ///   - out: The run's folder; only rank 0 needs it.
  ///   - resume: How to treat an existing run; only rank 0 needs what it names.
  ///   - context: The ranks that train together.
  ///   - shardPause: Seconds before a shard that breaks is started again for the first time.
  ///   - saveInterval: The time between saves inside an epoch, by rank 0's clock, where the configuration gives
  ///     no steps.
  ///   - began: The start of the program, from which the configuration's minutes are counted; now unless given.
  ///   - timing: Gives the times of a run's parts, where a run that is to end within minutes begins.
  ///   - console: The user's output.
  package init(
    _ config: RunConfig, data: String, out: String, resume: Resume = .auto, context: RankContext = .alone,
    shardPause: Double = 1, saveInterval: Duration = .seconds(600), began: ContinuousClock.Instant = .now,
    timing: (Rehearsal) throws -> RunTiming = { try $0.timing() }, console: Console
  ) throws {
    let resume = context.isFirst ? resume.resolved(in: out) : resume
    var config = context.isFirst ? config.continuing(out, resume: resume) : config
    if context.isFirst { try RunFolder.check(out, for: config, resume: resume) }
    config.bnSplitsPer = try context.shared(config.bnSplitsPer)
    config.depth = try context.shared(config.depth)
    config.steps = try context.shared(config.steps)
    try config.validate(ranks: context.rank.count)
    let weights = try context.isFirst ? config.initialWeights(for: out, resume: resume) : nil
    config.initDigest = try context.shared(weights?.digest ?? config.initDigest)
    retries = config.shardRetries(ranks: context.rank.count, pause: shardPause)
    self.saveInterval = saveInterval
    self.context = context
    self.console = console
    dataPath = Pretraining.location(data)
    device = try config.device.resolve(localNumber: context.localNumber)
    do {
      try context.group.enableNCCL(device)
    } catch {
      throw RunError("\(context.rank.count) ranks on GPUs need NCCL: \(error)")
    }
    dataset = try Dataset.open(
      data,
      OpeningOptions(
        split: .train, decoder: config.decoder, listing: console.listing(), needsCountsOnly: true,
        imageKey: config.imageField, retries: config.shardRetries(ranks: context.rank.count)))
    try config.validate(images: dataset.count, ranks: context.rank.count)
    if context.isFirst, let warning = dataset.depthWarning() { console.warn(warning) }
    monitor = try KNNMonitor(config, context: context, device: device)
    fingerprint = dataset.fingerprint
    let seen = try context.rows([Double(fingerprint)])
    if let other = seen.indices.first(where: { seen[$0] != seen[0] }) {
      throw RunError(
        "\(data): rank \(other) sees other images there than rank 0. All ranks need the same data.")
    }
    learner = try Learner(config, images: dataset.count, device: device, context: context)

    // A run from elsewhere is read, and its queue filled, before its folder is made.
    var (start, opened) = (RunStart(), RunWriter?.none)
    if context.isFirst,
      let elsewhere = try RunStart(learner, config, resume, weights, dataset, fingerprint)
    {
      start = elsewhere
    }
    start = try context.shared(start)
    // So are the steps of a run within minutes decided: the folder's configuration has them from the beginning.
    var decision: String?
    if config.isUndecided {
      let rehearsal = Rehearsal(
        config: config, dataset: dataset, sampler: config.sampler(dataset, context, start.state),
        monitor: monitor,
        device: device, context: context, retries: retries, out: out, start: start, began: began)
      let timing = try timing(rehearsal)
      config.steps = try context.shared(context.isFirst ? rehearsal.steps(by: timing) : nil)
      decision = timing.summary
    }
    self.config = config
    if context.isFirst, !start.isFromElsewhere {
      let own = try RunWriter.continuing(out, learner, config, fingerprint)
      (opened, start) = (own.writer, own.start)
    }
    start = try context.shared(start)
    if let decision { start.notes.append(decision) }
    self.start = start
    sampler = config.sampler(dataset, context, start.state)
    if let state = start.state, !context.isFirst { learner.restore(state) }
    try learner.share()
    if start.fillsQueue { try learner.fillDictionary(config, dataset, sampler, console) }
    writer =
      try context.isFirst
      ? opened ?? RunWriter(out, config, keep: config.keep, isBegun: start.state == nil) : nil
    reporter = ProgressReporter(
      config, ranks: context.rank.count, stepsPerEpoch: sampler.batchesPerEpoch,
      log: try writer.map { try EventWriter($0.folder, resumingFrom: start.state?.step ?? 0) },
      console: console)
    if start.isFromElsewhere {
      try save(step: first, loss: start.state?.lastLoss)
    } else {
      lastSaved = start.state?.step
    }
    try writer?.folder.write(config)
    for text in start.warnings { try reporter.warn(text) }
  }

  /// A data set's path that is valid in any working directory; commands are not changed.
  private static func location(_ data: String) -> String {
    if let list = ListLocation.absolute(data, absolute) { return list }
    return ShardPattern.recognizes(data) ? ShardPattern.absolute(data, absolute) : absolute(data)
  }

  /// The number of steps of the whole run.
  var totalSteps: Int { config.totalSteps(of: sampler.batchesPerEpoch) }

  /// Trains to the end, or until a signal comes.
  package func run() throws -> Outcome {
    try reporter.reportingEnd(in: context, lastSaved: { self.lastSaved }) {
      try announce()
      return try train()
    }
  }

  private func train() throws -> Outcome {
    let stepsPerEpoch = sampler.batchesPerEpoch
    if let signal = try measureIfStillDue(first) { return reporter.stopped(by: signal, step: first) }
    guard first < totalSteps else {
      console.say("Nothing is left to do: \(whyDone)")
      return .finished
    }
    let images = try TrainingImages(config, dataset, sampler, on: device, retries: retries)
    var side = viewSide(first)
    var source = images.views(of: side, from: first)
    var meter = Meter(batchSize: config.batchSize, step: first)

    for step in first..<totalSteps {
      // Data: two augmented views of the next images in this epoch's order.
      let (epoch, position) = step.quotientAndRemainder(dividingBy: stepsPerEpoch)
      if position == 0, let signal = try begin(epoch) {
        try save(step: step, loss: lastLoss)
        try noteUnread(of: source, step: step)
        return reporter.stopped(by: signal, step: step)
      }
      if viewSide(step) != side {
        try noteUnread(of: source, step: step)
        (side, reportedBadFiles) = (viewSide(step), 0)
        source = images.views(of: side, from: step)
      }
      let views = try nextViews(of: source, step: step)  // N×3×H×W each
      try warnOfShards(source, step: step)
      if step == (start.isFromElsewhere ? first : 0) { try reporter.show(views.views) }

      // Step.
      let hyperparameters = config.hyperparameters(step: step, stepsPerEpoch: stepsPerEpoch)
      let made = try take(step, views, hyperparameters, meanwhile: source.prepare)
      lastLoss = made.loss
      meter.count(waited: views.waited)
      let done = step + 1
      let isEpochEnd = position + 1 == stepsPerEpoch
      // A launcher that sent a signal may leave only a second.
      if made.signal != nil { try save(step: done, loss: made.loss) }

      // Log.
      if done % config.logEvery == 0 || isEpochEnd || done == totalSteps {
        try report(made, done: done, hyperparameters, meter: &meter)
      }
      // Checkpoint.
      try compareRanks(done)
      let isDue = config.saveEvery.map { done % $0 == 0 } ?? (isEpochEnd || made.isSaveDue)
      if isDue || done == totalSteps || made.signal != nil {
        try save(step: done, loss: made.loss)
        try noteUnread(of: source, step: done)
      }
      if let signal = made.signal, done < totalSteps {
        if config.onUSR1.endsRun(signal) { return reporter.stopped(by: signal, step: done) }
        console.say("Saved after step \(done) on a signal.")
      }

      // Evaluate.
      if isMeasured(after: done), let monitor {
        if let signal = try measure(monitor, step: done) {
          try save(step: done, loss: made.loss)
          return reporter.stopped(by: signal, step: done)
        }
        meter.restart(step: done)
      }
    }
    return .finished
  }

  /// Of a step's views, in pixels.
  private func viewSide(_ step: Int) -> Int {
    config.viewSide(step: step, stepsPerEpoch: sampler.batchesPerEpoch)
  }

  private var whyDone: String {
    let limit = config.steps == totalSteps ? "--steps is" : "--epochs \(config.epochs) makes"
    return first > totalSteps
      ? "the run has made \(first) steps, and \(limit) \(totalSteps)."
      : "the run has made all of its \(totalSteps) steps."
  }

  /// The method's computations before an epoch.
  /// - Returns: a signal that ends the run and has broken them off.
  private func begin(_ epoch: Int) throws -> Int32? {
    let isDone = try withTorchErrors {
      learner.method.epochBegins(epoch, isStopped: config.onUSR1.endsRunNow)
    }
    return isDone ? nil : try StopRequest.agreed(in: context)
  }

  private func compareRanks(_ done: Int) throws {
    guard done % config.checkRanksEvery == 0, let rank = try learner.rankOutOfStep() else { return }
    let before = done - config.checkRanksEvery
    throw RunError(
      "after step \(done) rank \(rank) has other weights or keys than rank 0; after step \(max(before, 0)) they were "
        + "equal. All ranks must run the same program on devices of one kind. Continue a checkpoint that is not newer "
        + "than that: --resume PATH.")
  }

  private func take(
    _ step: Int, _ views: AugmentedBatch, _ hyperparameters: StepHyperparameters, meanwhile: () -> Void
  ) throws -> Learner.Step {
    do {
      let made = try learner.step(
        views.views, samples: views.samples, index: step, rate: hyperparameters.learningRate,
        momentum: hyperparameters.momentum, signal: StopRequest.take(), isSaveDue: isLongSinceSaved,
        meanwhile: meanwhile)
      try reporter.reportRecording(learner.whyNotRecorded, step: step)
      return made
    } catch let error as Divergence {
      throw diverged(error, step: step)
    }
  }

  /// The next views. Where too many images cannot be read, what was learned before and their list are kept.
  private func nextViews(of source: ViewPipeline, step: Int) throws -> AugmentedBatch {
    do {
      guard let views = try source.next() else { preconditionFailure("the images ended at step \(step)") }
      return views
    } catch {
      try? warnOfShards(source, step: step)
      try? note(bad: source.badFiles)  // this rank's only: the others are in their steps
      if let lastLoss { try? save(step: step, loss: lastLoss) }
      throw error
    }
  }

  private func announce() throws {
    try reporter.announce(
      RunEvent.Start(
        time: ISO8601DateFormatter().string(from: Date()), config: config, data: dataset.summary,
        images: dataset.count, host: .here(on: device), resumedFrom: resumed?.step, dataPath: dataPath,
        knnTestPath: config.knnTest.map(Pretraining.location),
        dataFingerprint: fingerprint, knnFingerprints: monitor?.fingerprints, ranks: context.rank.count,
        notes: start.notes.isEmpty ? nil : start.notes),
      folder: writer?.folder.path)
    if let began = resumed?.kernels, let change = Kernels.change(from: began, to: Kernels.here(on: device)) {
      try reporter.warn(change, step: resumed?.step ?? 0)
    }
    try reportLeftOut()
    if let warning = monitor?.warning { try reporter.warn(warning, step: resumed?.step ?? 0) }
    try reporter.reportRecording(learner.whyNotRecorded, step: resumed?.step ?? 0)
  }

  /// What is left out of the images, and of the sets for kNN: as warnings where images may be missing.
  private func reportLeftOut() throws {
    if let monitor { console.say("kNN       \(monitor.summary)") }
    let step = resumed?.step ?? 0
    if dataset.leftOut.isLoss {
      try reporter.warn(dataset.leftOut.text(of: dataPath), step: step)
    } else {
      console.report(leftOutOf: dataset, at: dataPath)
    }
    for set in monitor?.sets ?? [] where Pretraining.location(set.path) != dataPath {
      if set.dataset.leftOut.isLoss {
        try reporter.warn(set.dataset.leftOut.text(of: set.path), step: step)
      } else {
        console.report(leftOutOf: set.dataset, at: set.path)
      }
    }
  }

  private func report(
    _ made: Learner.Step, done: Int, _ hyperparameters: StepHyperparameters, meter: inout Meter
  ) throws {
    guard context.isFirst else { return }
    let diagnostics = try learner.diagnostics(of: made, count: done)
    try reporter.report(
      made, done: done, hyperparameters, diagnostics, speed: meter.lap(step: done),
      starvation: meter.starvationWarning()
    )
  }

  func diverged(_ found: Divergence, step: Int) -> DivergedRun {
    DivergedRun(
      found, step: step, lastSaved: lastSaved, ranks: context.rank.count,
      remedy: config.divergenceRemedy)
  }
}
