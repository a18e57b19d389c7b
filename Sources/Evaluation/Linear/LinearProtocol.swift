import Torch

/// Linear classification on frozen features: the evaluation of He et al. 2020 (section 4.1) and its
/// successors.
package struct LinearProtocol: Equatable, Sendable {
  package var epochs = 100
  /// The number of images per step.
  package var batchSize = 256
  /// SGD's.
  package var momentum = 0.9
  package var weightDecay = 0.0
  /// Of the learning rate, epoch by epoch.
  package var schedule = Schedule.milestones([60, 80])
  /// The learning rate for a batch of 256; see ``scaled(_:)`` for other batches.
  package var learningRate = 30.0
  /// For the initial weights and the order of the images.
  package var seed: UInt64 = 1

  package init() {}

  /// MoCo v1 and v2: 100 epochs at 30, × 0.1 at epochs 60 and 80.
  package static let v1 = LinearProtocol()

  /// MoCo v3's ResNet-50 (Chen, Xie, He 2021): 90 epochs at 0.1, cosine.
  package static let v3 = {
    var v3 = LinearProtocol()
    (v3.epochs, v3.learningRate, v3.schedule) = (90, 0.1, .cosine)
    return v3
  }()

  /// A learning rate for this batch: proportional to its size (Goyal et al. 2017).
  package func scaled(_ rate: Double) -> Double { rate * Double(batchSize) / 256 }

  /// One learning rate's classifier and its results.
  package final class Trial: ClassifierRun {
    /// For a batch of 256.
    package let learningRate: Double
    package let probe: LinearProbe

    init(learningRate: Double, probe: LinearProbe) { (self.learningRate, self.probe) = (learningRate, probe) }
  }

  /// Trains a classifier for each of the learning rates, all on the same batches, and tests it after every
  /// epoch.
  ///
  /// A classifier that diverges ends there; the others continue.
  /// - Parameters:
  ///   - rates: For a batch of 256; by default ``learningRate``.
  ///   - classes: C; all labels are 0 ..< C.
  ///   - test: M×D, floating point.
  ///   - device: The device of the classifiers.
  ///   - batches: Calls its second argument with the training features of an epoch (counted from 0), batch by
  ///     batch.
  ///   - progress: Called after each epoch, counted from 1.
  /// - Throws: ``EvaluationError`` if the features are not finite, `TorchError`, and the errors of `batches`.
  package func train(
    rates: [Double]? = nil, classes: Int, test: LabelledFeatures, on device: Device = .cpu,
    batches: (_ epoch: Int, _ learn: (LabelledFeatures) throws -> Void) throws -> Void,
    progress: (_ epoch: Int, [Trial]) -> Void = { _, _ in }
  ) throws -> [Trial] {
    guard try withTorchErrors({ test.features.isAllFinite() }) else {
      throw EvaluationError.notFinite("test images")
    }
    let trials = try withTorchErrors {
      (rates ?? [learningRate]).map { rate in
        Trial(
          learningRate: rate,
          probe: LinearProbe(
            width: test.features.shape[1], classes: classes, momentum: momentum, weightDecay: weightDecay,
            seed: seed, on: device))
      }
    }
    for epoch in 0..<epochs {
      try run(epoch, trials, device, batches)
      for trial in trials where trial.divergedIn == nil {
        trial.note(
          try trial.probe.score(on: test, classes: classes), epoch: epoch, loss: trial.takeMeanLoss())
      }
      progress(epoch + 1, trials)
      if trials.allSatisfy({ $0.divergedIn != nil }) { break }
    }
    return trials
  }

  /// Trains every trial on an epoch's batches, and records the loss.
  private func run(
    _ epoch: Int, _ trials: [Trial], _ device: Device,
    _ batches: (Int, (LabelledFeatures) throws -> Void) throws -> Void
  ) throws {
    let factor = schedule.rate(base: 1, epoch: Double(epoch), epochs: epochs)
    var steps = 0
    try batches(epoch) { batch in
      let features = try withTorchErrors { batch.features.to(device).to(.float32) }
      guard try withTorchErrors({ features.isAllFinite() }) else {
        throw EvaluationError.notFinite("training images")
      }
      let labels = try withTorchErrors { Tensor(batch.labels, on: device) }
      for trial in trials where trial.divergedIn == nil {
        let loss = try trial.probe.learn(
          features, labels, learningRate: scaled(trial.learningRate) * factor)
        trial.note(loss: loss, epoch: epoch)
      }
      steps += 1
    }
    precondition(steps > 0, "epoch \(epoch) has no batch")
  }
}

extension LabelledFeatures {
  /// Calls `body` with all rows in batches, in an order given by the seed and the epoch. An incomplete last
  /// batch is dropped, as in the loader.
  package func eachBatch(
    of size: Int, seed: UInt64, epoch: Int, _ body: (LabelledFeatures) throws -> Void
  ) throws {
    precondition((1...count).contains(size), "batches of \(size) from \(count) rows")
    var generator = CounterGenerator(seed: seed, .sampleOrder, epoch)
    let order = generator.permutation(count)
    for start in stride(from: 0, through: count - size, by: size) {
      let rows = Array(order[start..<start + size])
      let chosen = try withTorchErrors { features.indexSelected(Tensor(rows, on: features.device)) }
      try body(LabelledFeatures(features: chosen, labels: rows.map { labels[$0] }))
    }
  }
}
