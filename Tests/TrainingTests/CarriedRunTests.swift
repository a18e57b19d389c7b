import Data
import Files
import Foundation
import Methods
import TestSupport
import Testing
import Torch
@testable import Training
import Weights

/// `--resume RUN --out NEW` with other settings or other images. Serialized: signals are the process's.
@Suite(.serialized) struct CarriedRunTests {
  private let runs: SmallRuns
  /// Stopped in the middle of its second epoch.
  private let old: String

  init() throws {
    runs = try SmallRuns()
    old = try runs.run(runs.config { $0.steps = 7 })
  }

  private func carry(_ data: String? = nil, _ change: @escaping (inout RunConfig) -> Void) throws -> String {
    try runs.run(
      runs.config {
        ($0.epochs, $0.keep) = (3, 99)
        change(&$0)
      }, data: data, resume: .from(old))
  }

  private func first(_ out: String) throws -> Checkpoint {
    let steps = try FileManager.default.contentsOfDirectory(atPath: out + "/checkpoints").compactMap {
      $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil
    }
    return try Checkpoint.load("\(out)/checkpoints/step-\(try #require(steps.min()))")
  }

  private func bytes(_ tensors: [String: Tensor]) -> [String: [UInt8]] {
    tensors.mapValues { $0.withUnsafeBytes { Array($0) } }
  }

  @Test func everythingIsCarriedWhereItFitsAndChangesAreSaid() throws {
    let before = try contents(old)
    let out = try carry { ($0.lr, $0.mocoT, $0.epochs) = (0.01, 0.2, 4) }
    let (start, end) = (try first(out), try Checkpoint.load(old))
    #expect(bytes(start.model) == bytes(end.model) && bytes(start.optimizer) == bytes(end.optimizer))
    #expect(start.state?.step == 7 && start.state?.queuePointer == end.state?.queuePointer)
    #expect(start.state?.optimizerSteps == 7 && start.state?.lastLoss == end.state?.lastLoss)
    #expect(
      notes(out) == [
        "carried from \(old)/checkpoints/step-7, step 7", "moco-t 0.1 → 0.2", "epochs 2 → 4",
        "lr 0.06 → 0.01",
      ])
    #expect(steps(out) == Array(8...20))
    #expect(try contents(old) == before, "the old run was changed")
    #expect(RunFolder.config(out)?.carriedFrom == old)
  }

  @Test func aQueueOfAnotherSizeIsFilledFromTheImages() throws {
    let outs = try (0..<2).map { _ in try carry { ($0.mocoK, $0.steps) = (20, 9) } }
    #expect(
      notes(outs[0]) == [
        "carried from \(old)/checkpoints/step-7, step 7", "moco-k 12 → 20", "epochs 2 → 3",
        "queue: filled anew with the keys of 20 images",
      ])
    let starts = try outs.map(first)
    #expect(bytes(starts[0].model) == bytes(starts[1].model), "filling is not deterministic")
    let end = try Checkpoint.load(old)
    for (name, value) in bytes(end.model) where name != "queue" {
      #expect(bytes(starts[0].model)[name] == value, "\(name)")
    }
    let queue = try #require(starts[0].model["queue"])
    #expect(queue.shape == [20, 16])
    #expect(starts[0].state?.queuePointer == 4)  // three batches of 8 into 20 rows
    // Of length 1, and unlike the random directions of a new queue, whose cosines have the mean 0 and a deviation of
    // 1/√16: keys of one network are alike.
    let cosines = queue.matmul(queue.transposed)
    #expect(cosines.narrowed(0..<1).narrowed(0..<1, dim: 1).item() > 0.999)
    #expect(cosines.mean().item() > 0.5)
    let log = RunLog.read(outs[0] + "/log.jsonl").compactMap {
      if case .step(let step) = $0 { step } else { nil }
    }
    #expect(log.allSatisfy { $0.diagnostics?.queueFilled == 1 })
  }

  @Test func anotherBatchMovesThePosition() throws {
    let out = try carry { ($0.batchSize, $0.steps) = (4, 16) }
    #expect(
      notes(out) == [
        "carried from \(old)/checkpoints/step-7, step 7", "epochs 2 → 3", "batch-size 8 → 4",
        "position: step 7 there is step 14 here",
      ])
    #expect(steps(out) == [15, 16])
    let state = try first(out).state
    #expect(state?.epoch == 1 && state?.batch == 4 && state?.optimizerSteps == 7)
  }

  @Test func otherImagesBeginTheEpochAnew() throws {
    let more = try makeImageFolder(classes: 2, imagesPerClass: 24)  // 6 batches an epoch
    let out = try carry(more) { $0.steps = 8 }
    #expect(
      notes(out) == [
        "carried from \(old)/checkpoints/step-7, step 7", "epochs 2 → 3", "images: others than there",
        "position: epoch 1 begins anew, and step 7 there is step 6 here",
      ])
    #expect(steps(out) == [7, 8])
    #expect(bytes(try first(out).model) == bytes(try Checkpoint.load(old).model))
    // From then on it is a run on these images, as any other.
    let error = #expect(throws: UsageError.self) {
      try runs.run(runs.config { ($0.epochs, $0.keep) = (3, 99) }, to: out)
    }
    #expect(
      error?.description
        == "\(out)/checkpoints/step-8 belongs to a run on other images. Restore that data set, or carry the run on with "
        + "these in a new folder: --resume \(out)/checkpoints/step-8 --out NEW.")
  }

  @Test func anotherHeadStartsFreshWithAllBehindIt() throws {
    let out = try carry { ($0.mlp, $0.steps) = (true, 8) }
    #expect(
      notes(out) == [
        "carried from \(old)/checkpoints/step-7, step 7", "mlp false → true", "epochs 2 → 3", "fresh: head",
        "queue: filled anew with the keys of 12 images",
      ])
    let (start, end) = (try first(out), try Checkpoint.load(old))
    for (name, tensor) in end.model where !name.contains(".fc.") && name != "queue" {
      #expect(bytes(start.model)[name] == bytes(["": tensor])[""], "\(name)")
    }
    for (name, tensor) in start.optimizer {
      let isHead = name.hasPrefix("fc.")
      #expect(
        isHead ? tensor.array(of: Float.self).allSatisfy { $0 == 0 } : end.optimizer[name] != nil, "\(name)")
    }
    #expect(try model(out, "encoder_k.fc.0.weight") != [:])
  }

  @Test func anotherOptimizerStartsFresh() throws {
    let out = try carry { ($0.optimizer, $0.lr, $0.steps) = (.lars, 0.2, 8) }
    #expect(notes(out).contains("optimizer: its state starts fresh"))
    #expect(try first(out).state?.optimizerSteps == 0)
    let adam = try runs.run(
      runs.config { ($0.optimizer, $0.lr, $0.steps, $0.keep) = (.adamw, 1e-3, 3, 99) })
    let next = try runs.run(
      runs.config { ($0.optimizer, $0.lr, $0.steps, $0.keep, $0.mocoDim) = (.adamw, 1e-3, 4, 99, 8) },
      resume: .from(adam))
    #expect(notes(next).contains("optimizer: its state starts fresh, because some of its parameters do"))
    let same = try runs.run(
      runs.config { ($0.optimizer, $0.lr, $0.steps, $0.keep, $0.mocoT) = (.adamw, 1e-3, 4, 99, 0.3) },
      resume: .from(adam))
    #expect(try bytes(first(same).optimizer) == bytes(Checkpoint.load(adam).optimizer))
    #expect(try first(same).state?.optimizerSteps == 3)
  }

  /// Its rows are the images'.
  @Test func aMemoryBankStartsFreshOnOtherImages() throws {
    let banks = try runs.run(runs.config { ($0.mechanism, $0.steps) = (.memoryBank, 2) })
    let more = try makeImageFolder(classes: 2, imagesPerClass: 20, seed: 8)
    let change: (inout RunConfig) -> Void = {
      ($0.mechanism, $0.steps, $0.keep, $0.lr) = (.memoryBank, 3, 99, 0.1)
    }
    let other = try runs.run(runs.config(change), data: more, resume: .from(banks))
    #expect(notes(other).contains("fresh: bank"))  // and the epoch begins anew
    let same = try runs.run(runs.config(change), resume: .from(banks))
    #expect(try model(same + "/checkpoints/step-2", "bank") == model(banks, "bank"))
    #expect(try model(other + "/checkpoints/step-0", "bank") != model(banks, "bank"))
  }

  @Test func aRefusedCommandLeavesNothingBehind() throws {
    let out = temporaryFolder() + "/new"
    let config = try runs.config { $0.epochs = 3 }
    let network = #expect(throws: UsageError.self) {
      try runs.run(config.with { $0.arch = .resnet20 }, to: out, resume: .from(old))
    }
    #expect(
      network?.description
        == "--resume \(old)/checkpoints/step-7: a run keeps its method and its network (arch is resnet8 there and resnet20 "
        + "here). Repeat them, or start a new run from its weights: --init \(old)/checkpoints/step-7.")
    let file = "\(temporaryFolder())/w.safetensors"
    let trained = try TrainedEncoder(old)
    try trained.spec.write(trained.network, head: .projection, to: file)
    let weights = #expect(throws: UsageError.self) { try runs.run(config, to: out, resume: .from(file)) }
    #expect(
      weights?.description
        == "\(file): these are weights only; a run cannot go on from them. Start a new run from them: --init \(file)."
    )
    #expect(!FileManager.default.fileExists(atPath: out))
    // The corrected command works.
    try runs.run(config, to: out, resume: .from(old))
    #expect(steps(out) == Array(8...15))
  }

  @Test func theSameCommandAgainContinuesTheNewRun() throws {
    let config = try runs.config { ($0.epochs, $0.mocoK) = (3, 8) }
    let out = try runs.run(config.with { $0.steps = 9 }, resume: .from(old))
    try FileManager.default.moveItem(atPath: old, toPath: old + "-gone")
    try runs.run(config, to: out, resume: .from(old + "/"))
    #expect(steps(out) == Array(8...15) && notes(out) == [])
    let other = #expect(throws: UsageError.self) {
      try runs.run(config, to: out, resume: .from(old + "-gone"))
    }
    #expect(
      other?.description
        == "--out \(out): the folder holds a run already, which did not begin with --resume \(old)-gone. Leave that out to "
        + "continue it, or choose another folder.")
    #expect(
      try RunConfig(carrying: old, to: out).mocoK == 8, "its own options, where the other run is gone")
  }

  @Test func optionsThatAreNotGivenAreThoseOfTheOtherRun() throws {
    let config = try RunConfig(carrying: old, to: "/nowhere")
    #expect(config.arch == .resnet8 && config.mocoK == 12 && config.steps == nil && config.workers == nil)
    let stepped = try runs.run(
      runs.config { ($0.schedule, $0.steps) = (.step(factor: 0.9, every: 2), 3) })
    #expect(try RunConfig(carrying: stepped, to: "/nowhere").steps == 3)
  }

  @Test func theFileLatestStandsForItsCheckpoint() throws {
    let latest = try Checkpoint.load(old + "/checkpoints/latest")
    #expect(latest.state?.step == 7)
    let out = try runs.run(runs.config { $0.steps = 8 }, resume: .from(old + "/checkpoints/latest"))
    #expect(steps(out) == [8])
  }

  @Test func anotherImageSizeIsAnotherGridOfPositions() throws {
    let change: (inout RunConfig) -> Void = {
      ($0.method, $0.mechanism, $0.arch, $0.stem) = ("moco-v3", .queue, .vitSmall, nil)
      ($0.bnSplits, $0.mocoMlpDim, $0.batchSize, $0.imageSize, $0.steps, $0.keep) = (1, 8, 4, 32, 1, 99)
    }
    let small = try runs.run(runs.config(change))
    let out = try runs.run(
      runs.config {
        change(&$0)
        ($0.imageSize, $0.steps) = (48, 2)
      }, resume: .from(small))
    #expect(notes(out).contains("position embedding of encoder_q: interpolated from 2×2 to 3×3 patches"))
    #expect(notes(out).contains("image-size 32 → 48"))
    #expect(steps(out) == [2])
  }

  /// What one process carries and fills, several do.
  @Test func ranksCarryAndFillTogether() async throws {
    let config = try runs.config {
      ($0.mocoK, $0.steps, $0.epochs, $0.checkRanksEvery, $0.keep) = (20, 8, 3, 1, 99)
    }
    let alone = try runs.run(config, resume: .from(old))
    let (out, data, old) = (temporaryFolder() + "/run", runs.data, old)
    _ = try await withRankContexts(2) { context in
      try Pretraining(
        config, data: data, out: out, resume: .from(context.isFirst ? old : "/nowhere"), context: context,
        console: Console(quiet: true, silent: true)
      ).run()
    }
    let (one, two) = (try first(alone).model["queue"], try first(out).model["queue"])
    // Two groups of batch normalisation are the two ranks': the same sums in another order.
    let difference = try #require(one).array(of: Float.self).elementsEqual(
      try #require(two).array(of: Float.self)
    ) {
      abs($0 - $1) < 1e-5
    }
    #expect(difference && steps(out) == [8])
  }

  // MARK: - Positions

  private func position(
    _ epoch: Int, _ batch: Int, shards: Int? = nil, images: Int = 40, fingerprint: UInt32 = 5,
    lanes: Int? = nil,
    _ change: (inout RunConfig) -> Void
  ) throws -> CarriedPosition {
    let old = try runs.config()
    let state = TrainingState(
      step: 5 * epoch + batch, epoch: epoch, batch: batch, seed: 1, queuePointer: nil, configHash: "",
      optimizerSteps: nil, lastLoss: nil, mixing: lanes.map { .lanes($0) }, data: 5, kernels: nil)
    return try CarriedPosition(
      of: state, old, old.with(change), images: images, shards: shards, fingerprint: fingerprint, ranks: 1)
  }

  @Test func imagesThatWereSeenAreCounted() throws {
    func place(_ position: CarriedPosition) -> [Int] { [position.step, position.epoch, position.batch] }
    #expect(place(try position(3, 2) { $0.lr = 1 }) == [17, 3, 2])
    #expect(place(try position(3, 2) { $0.batchSize = 16 }) == [3 * 2 + 1, 3, 1])
    // 24 images are one batch and a half.
    #expect(place(try position(3, 3) { $0.batchSize = 16 }) == [3 * 2 + 1, 3, 1])
    #expect(place(try position(3, 2) { $0.seed = 2 }) == [15, 3, 0])
    #expect(place(try position(3, 2, images: 100, fingerprint: 6) { _ in }) == [36, 3, 0])
    #expect(try position(3, 0) { $0.lr = 1 }.note == nil)
    #expect(try position(3, 0) { $0.seed = 2 }.note == nil)
    #expect(
      try position(3, 1) { $0.seed = 2 }.note
        == "position: epoch 3 begins anew, and step 16 there is step 15 here")
  }

  @Test func shardsAreMixedAnewWhereTheirLanesDoNotFit() throws {
    let same = try position(3, 2, shards: 4, lanes: 2) { $0.lr = 1 }
    #expect(same.mixing == .lanes(2) && same.step == 17)
    let batch = try position(3, 2, shards: 4, lanes: 2) { $0.batchSize = 4 }
    #expect(batch.mixing == .lanes(4) && [batch.step, batch.batch] == [30, 0])
    #expect(try position(3, 2, shards: 4, lanes: 2) { $0.shuffleBuffer = 7 }.batch == 0)
  }

  @Test func aStateBeyondEveryRunIsRefused() {
    for (epoch, batch) in [(-1, 0), (1, -1), (1, 1 << 41), (1 << 41, 0)] {
      let error = #expect(throws: RunError.self) { try position(epoch, batch) { _ in } }
      #expect(error?.description.hasSuffix("of epoch \(epoch), which no run reaches.") == true)
    }
  }
}
