import Data
import Distributed
import Evaluation
import Files
import Foundation
import Methods
import Models
import Torch
import Weights

/// A task's training from its first step, or its last checkpoint, to its end.
///
/// A step depends on the seed and its number alone: a run that was broken off ends in the bits of an unbroken one.
package final class TransferTraining<Task: TransferTask> {
  let config: Task.Config
  let train: Task.Dataset
  let test: Task.Dataset
  let context: RankContext
  let console: Console
  let reporter: TransferReporter<Task.Config>
  let learner: TransferLearner<Task>
  private let writer: RunWriter?  // nil except in rank 0
  private let start: TransferStart
  let fingerprint: UInt32
  private let saveInterval: Duration
  var lastSaved: Int?
  private var lastSavedTime = ContinuousClock.now
  /// The number of unreadable images that were reported to all ranks.
  private var reportedBadFiles = 0
  /// Whether batch normalisation's statistics are those of whole batches, and no step has changed them since.
  var hasPreciseStatistics = false

  /// The steps made before this session.
  var first: Int { start.state?.step ?? 0 }
  var resumedLoss: Double? { start.state?.lastLoss }
  var isMain: Bool { context.isFirst }
  var folder: RunFolder? { writer?.folder }

  /// Opens everything a run needs. Errors in the arguments, the data or the folder are thrown here, before
  /// anything is changed.
  /// - Parameters:
  ///   - config: The configuration of the run.
  ///   - train: The training set's name; every rank reads it.
  ///   - test: The test set's.
  ///   - out: The run's folder; only rank 0 needs it.
  ///   - resume: How to treat an existing run.
  ///   - context: The ranks that train together.
  ///   - saveInterval: The time between saves, by rank 0's clock, where the configuration gives no steps.
  ///   - dtype: Of all numbers; float64 is for comparisons.
  ///   - comparison: Batch and rate beside the recipe's, to show at the start; a warning if it is risky.
  ///   - console: The user's output.
  package init(
    _ config: Task.Config, train: String, test: String, out: String, resume: Pretraining.Resume = .auto,
    context: RankContext = .alone, saveInterval: Duration = .seconds(600), dtype: DType = .float32,
    comparison: (text: String, isRisky: Bool)? = nil, console: Console
  ) throws {
    let resume = context.isFirst ? TransferStart.resolved(resume, in: out, as: Task.Config.self) : resume
    var config = config
    if context.isFirst {
      config = TransferStart.continuing(config, out, resume: resume)
      try RunFolder.check(out, for: config, resume: resume)
    }
    try config.validate(ranks: context.rank.count)
    let weights = try context.isFirst ? TransferStart.weights(config, for: out, resume: resume) : nil
    config.initDigest = try context.shared(weights?.digest ?? config.initDigest)
    (self.config, self.context, self.console, self.saveInterval) = (config, context, console, saveInterval)
    let device = try config.device.resolve(localNumber: context.localNumber)
    do {
      try context.group.enableNCCL(device)
    } catch {
      throw RunError("\(context.rank.count) ranks on GPUs need NCCL: \(error)")
    }
    self.train = try Task.trainingSet(train, config)
    self.test = try Task.testSet(test, config, classes: self.train.classNames, like: self.train)
    fingerprint = self.train.fingerprint
    let seen = try context.rows([Double(fingerprint)])
    if let other = seen.indices.first(where: { seen[$0] != seen[0] }) {
      throw RunError(
        "\(train): rank \(other) sees other annotations there than rank 0. All ranks need the same data.")
    }
    // A run that goes on has been through this.
    let isNew = context.isFirst && !RunFolder.hasCheckpoint(out)
    let unusable = try isNew ? Self.firstLook(at: self.test, config, ranks: context.rank.count, console) : nil
    let spec = Task.spec(config, self.train)
    if let problem = spec.problem { throw UsageError("--\(problem)") }
    learner = try TransferLearner(spec, config, device: device, context: context, dtype: dtype)

    var (start, opened) = (TransferStart(), RunWriter?.none)
    if context.isFirst {
      (start, opened) = try TransferStart.open(
        learner, config, self.train, out: out, resume: resume, weights: weights, fingerprint: fingerprint)
      if let comparison {
        if comparison.isRisky {
          start.warnings.append(comparison.text)
        } else {
          start.notes.append(comparison.text)
        }
      }
    }
    start = try context.shared(start)
    self.start = start
    if let state = start.state, !context.isFirst { learner.optimizer.restore(steps: state.optimizerSteps) }
    hasPreciseStatistics = start.state?.hasPreciseStatistics ?? false
    try learner.share()
    writer =
      try context.isFirst
      ? opened ?? RunWriter(out, config, keep: config.keep, isBegun: start.state == nil) : nil
    reporter = TransferReporter(
      config, images: self.train.count,
      log: try writer.map { try EventWriter($0.folder, resumingFrom: start.state?.step ?? 0) },
      console: console)
    if start.isFromElsewhere {
      try save(step: first, loss: start.state?.lastLoss)
    } else {
      lastSaved = start.state?.step
    }
    try writer?.folder.write(config)
    if let folder, !start.origins.isEmpty {
      try replaceFile(folder.weightsPath, with: start.origins.joined(separator: "\n") + "\n")
    }
    for text in start.warnings + [unusable].compactMap(\.self) { try reporter.warn(text) }
  }

  /// Trains to the end, or until a signal comes, and tests.
  package func run() throws -> Pretraining.Outcome {
    try reporter.reportingEnd(in: context, lastSaved: { self.lastSaved }) {
      try announce()
      return try learn()
    }
  }

  private func learn() throws -> Pretraining.Outcome {
    if let signal = try testIfStillDue(first) { return reporter.stopped(by: signal, step: first) }
    guard first < config.steps else {
      console.say(
        "Nothing is left to do: the run has made \(first) steps, and --steps is \(config.steps).")
      return .finished
    }
    let loader = Task.loader(train, config, seed: config.seed, rank: context.rank, from: first)
    var meter = Meter(batchSize: config.batchSize, step: first)
    for step in first..<config.steps {
      // Data: the next images, of this rank.
      let batch = try next(of: loader, step: step)
      meter.count(waited: batch.waited)

      // Step.
      let rate = config.schedule.rate(step: step)
      let made = try take(step, batch, rate: rate)
      hasPreciseStatistics = false
      let done = step + 1
      // A launcher that sent a signal may leave only a second.
      if made.signal != nil { try save(step: done, loss: made.loss) }

      // Log.
      if done % config.logEvery == 0 || done == config.steps {
        try reporter.report(made, done: done, rate: rate, speed: meter.lap(step: done))
        if isMain, let warning = meter.starvationWarning() { try reporter.warn(warning, step: done) }
      }
      if let signal = made.signal, done < config.steps || config.onUSR1.endsRun(signal) {
        try noteUnread(of: loader, step: done)
        if config.onUSR1.endsRun(signal) { return reporter.stopped(by: signal, step: done) }
        console.say("Saved after step \(done) on a signal.")
      }

      // Test, after the statistics that it needs, and the checkpoint with them.
      if isTested(after: done) {
        if let signal = try measure(step: done, loss: made.loss) {
          return reporter.stopped(by: signal, step: done)
        }
        meter.restart(step: done)
      }
      // Checkpoint.
      if config.saveEvery.map({ done % $0 == 0 }) ?? made.isSaveDue || done == config.steps {
        try save(step: done, loss: made.loss)
        try noteUnread(of: loader, step: done)
      }
    }
    return .finished
  }

  /// The next batch. Where too many images cannot be read, their list is kept.
  func next(of loader: Task.Loader, step: Int) throws -> Task.Loader.Batch {
    do {
      guard let batch = try loader.next() else { preconditionFailure("the images ended at step \(step)") }
      return batch
    } catch {
      try? note(bad: loader.badFiles)  // this rank's only: the others are in their steps
      throw error
    }
  }

  private func take(_ step: Int, _ batch: Task.Loader.Batch, rate: Double) throws -> TransferStep {
    do {
      return try learner.step(
        batch, index: step, batchSize: config.batchSize, rate: rate, signal: StopRequest.take(),
        isSaveDue: ContinuousClock.now - lastSavedTime > saveInterval)
    } catch let error as Divergence {
      throw diverged(error, step: step)
    }
  }

  private func announce() throws {
    try reporter.announce(
      RunEvent.TaskStart(
        time: ISO8601DateFormatter().string(from: Date()), config: config, train: train.summary,
        images: train.count, classes: train.classNames, trainData: train.spec, testData: test.spec,
        host: .here(on: learner.device), resumedFrom: start.state?.step, dataFingerprint: fingerprint,
        ranks: context.rank.count,
        notes: start.notes.isEmpty ? nil : start.notes),
      test: test.summary, folder: folder?.path)
    if isMain {
      let contents = try train.contents()
      for line in contents.lines { console.say("  \(line)") }
      for text in contents.warnings { try reporter.warn(text, step: first) }
    }
    if let began = start.state?.kernels,
      let change = Kernels.change(from: began, to: Kernels.here(on: learner.device))
    {
      try reporter.warn(change, step: first)
    }
    for set in [train, test] {
      guard let faults = set.faultSummary else { continue }
      for line in set.faults { console.say("  \(line)") }
      let text = "\(set.spec): left out or read otherwise: \(faults.text)"
      if faults.isLoss { try reporter.warn(text, step: first) } else { console.say(text) }
    }
  }

  func diverged(_ found: Divergence, step: Int) -> DivergedRun {
    DivergedRun(
      found, step: step, lastSaved: lastSaved, ranks: context.rank.count,
      remedy:
        "Try a lower --lr (now \(config.lr)) or a longer --warmup-steps (now \(config.warmupSteps)).")
  }
}

// MARK: - Checkpoints

extension TransferTraining {
  /// - Parameters:
  ///   - loss: Of the last step; nil before the first.
  ///   - replaces: Whether a checkpoint of the step is written again.
  func save(step: Int, loss: Double?, replaces: Bool = false) throws {
    guard lastSaved != step || replaces else { return }
    defer { lastSavedTime = .now }
    guard let store = writer?.store else { return lastSaved = step }
    // The update after a finite loss can still overflow; such weights must not replace good ones.
    guard try withTorchErrors({ learner.isFinite }) else {
      throw diverged(Divergence(loss: .nan, rank: context.rank.number), step: step - 1)
    }
    let (epoch, position) = (step * config.batchSize).quotientAndRemainder(dividingBy: train.count)
    var state = TrainingState(
      step: step, epoch: epoch, batch: position / config.batchSize, seed: config.seed,
      queuePointer: nil, configHash: try config.hash, optimizerSteps: learner.optimizer.steps, lastLoss: loss,
      mixing: nil, data: fingerprint,
      kernels: start.state == nil ? Kernels.here(on: learner.device) : start.state?.kernels)
    state.hasPreciseStatistics = hasPreciseStatistics
    try store.save(
      model: learner.modelState, optimizer: learner.optimizerState, state: state,
      metadata: try TransferMetadata<Task>(learner.spec, train).written(with: config))
    lastSaved = step
  }

  /// Lists every rank's unreadable images that were not listed yet.
  private func noteUnread(of loader: Task.Loader, step: Int) throws {
    let new = Array(loader.badFiles.dropFirst(reportedBadFiles))
    reportedBadFiles += new.count
    try note(bad: context.allGather(new).flatMap(\.self))
  }

  /// Adds new files to the list of bad files.
  func note(bad files: [BadFile]) throws {
    guard let folder, !files.isEmpty, let count = try folder.note(bad: files) else { return }
    try reporter.warn(
      "images that cannot be read: \(count). Others took their places; they are listed in \(folder.badFilesPath).",
      step: lastSaved ?? 0)
  }
}
