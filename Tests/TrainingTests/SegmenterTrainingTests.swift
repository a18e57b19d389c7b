import Data
import Distributed
import Evaluation
import Files
import Foundation
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

@Suite struct SegmenterTrainingTests {
  private func events(_ out: String) -> [RunEvent] { RunLog.read(out + "/log.jsonl") }

  private func losses(_ out: String) -> [RunEvent.Losses] {
    events(out).compactMap { if case .losses(let step) = $0 { step } else { nil } }
  }

  /// The files of a step's checkpoint.
  private func checkpoint(_ out: String, _ step: Int) throws -> [String: Data] {
    let found = try contents(out + "/checkpoints/step-\(step)")
    #expect(found.count == 3)
    return found
  }

  // MARK: - A whole run

  @Test func aRunLearnsTestsAndLeavesLabelMapsThatOthersRead() throws {
    let set = try SegmentedSet()
    let out = try set.run(SegmentedSet.config())
    let log = events(out)
    guard case .segmenter(let start) = log.first, case .end(let end) = log.last else {
      Issue.record(
        "the log begins with \(String(describing: log.first)) and ends with \(String(describing: log.last))")
      return
    }
    #expect(
      start.classes == ["background", "red", "blue"] && start.images == 8 && start.trainData == set.spec)
    #expect(end.status == .finished && end.step == 4)
    #expect(losses(out).map(\.step) == [1, 2, 3, 4])
    for step in losses(out) {
      #expect(step.losses == ["loss_sem_seg": step.loss] && step.proposals == nil && step.foreground == nil)
      // A guess has log 3 = 1.10, and a first step's logits are small.
      #expect(step.loss > 0.1 && step.loss < 3)
    }

    let test = try #require(tests(out).first)
    #expect(test.step == 4 && test.images == 8)
    #expect(test.scores.values.map(\.name) == ["mIoU", "fwIoU", "mACC", "pACC"])
    #expect(test.scores.classes.map(\.name) == ["background", "red", "blue"])
    let files = try predictions(out)
    #expect(files.keys.sorted() == (0..<8).map { String(format: "%03d.png", $0) })
    for name in files.keys {
      let map = try LabelMap.read(out + "/predictions/" + name)
      #expect(map.height == 48 && map.width == 64 && map.labels.allSatisfy { $0 < 3 })
    }
    // Two folders alone give the same number.
    let score = try DetectionScore.semantic(truth: set.masks, predictions: out + "/predictions", classes: 3)
    #expect(score.numbers[0].name == "mIoU")
    #expect(score.numbers[0].value.map { 100 * $0 } == test.scores["mIoU"])

    let table = try ConfusionTable(contentsOf: out + "/confusion.csv")
    #expect(table.classNames == ["background", "red", "blue"])
    let counted = try (0..<8).reduce(0) { sum, number in
      let truth = try LabelMap.read(String(format: "%@/%03d.png", set.masks, number))
      return sum + truth.labels.count { $0 != LabelMap.ignored }
    }
    #expect(table.matrix.allPixels == counted)
  }

  /// Forty steps on easy images: more than chance must come out, and nothing diverge.
  @Test func theLossFalls() throws {
    let config = try SegmentedSet.config {
      ($0.steps, $0.lr, $0.warmupSteps, $0.preciseBN) = (40, 0.02, 5, 2)
    }
    let out = try SegmentedSet().run(config)
    let all = losses(out).map(\.loss)
    let (first, last) = (all.prefix(5).reduce(0, +) / 5, all.suffix(5).reduce(0, +) / 5)
    #expect(last < 0.8 * first, "\(first) → \(last)")
  }

  // MARK: - Before the first step

  private func warnings(_ out: String) -> [String] {
    events(out).compactMap { if case .warning(let warning) = $0 { warning.message } else { nil } }
  }

  @Test func masksOf0And255AreWarnedOf() throws {
    let config = try SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) }
    let set = try SegmentedSet(images: 2)
    #expect(try !warnings(set.run(config)).contains { $0.contains("255") })
    for number in 0..<2 { try set.rewrite(number) { $0 == 0 ? 0 : 255 } }
    let found = try warnings(set.run(config)).filter { $0.contains("255") }
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.hasPrefix("\(set.spec): none of 2 masks has a pixel of red, blue, and ") == true)
    #expect(found.first?.hasSuffix(" write the class's number in its place: 1 for red.") == true)
  }

  @Test func thePixelsOfMasksAreListedWithWhatIsMissing() throws {
    let set = try SegmentedSet(images: 3)
    func line() throws -> String {
      try #require(try SegmentationTask.trainingSet(set.spec, SegmentedSet.config()).contents().lines.first)
    }
    #expect(try line().hasPrefix("pixels of 3 masks: background "))
    for number in 0..<2 { try set.rewrite(number) { $0 == 2 ? 0 : $0 } }
    try set.rewrite(2) { _ in 9 }  // no class has this number
    let found = try line()
    #expect(found.hasPrefix("pixels of 2 masks (1 cannot be used): background "), "\(found)")
    #expect(found.hasSuffix(" %; no pixel of blue"), "\(found)")
  }

  /// Otherwise the test would end the run after its last step.
  @Test func aTestSetWithTooManyBadImagesIsRefusedBeforeTheFirstStep() throws {
    let (set, other) = (try SegmentedSet(images: 2), try SegmentedSet(images: 8, seed: 9))
    try other.spoil(3)
    let out = temporaryFolder() + "/run"
    let error = try failure(RunError.self) { try set.run(SegmentedSet.config(), test: other.spec, to: out) }
    #expect(
      error.description.hasPrefix("--test \(other.spec): 1 of 8 images cannot be read, more than 5%: "),
      "\(error)")
    #expect(
      error.description.hasSuffix(
        "/images/003.png: it has 64 × 48 pixels, and its mask has 7 × 5; fix them or take them out, or raise --max-bad."
      ),
      "\(error)")
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  /// A run that goes on has been through this, and tests without them.
  @Test func aFewBadTestImagesAreWarnedOfOnce() throws {
    let (set, other) = (try SegmentedSet(images: 2), try SegmentedSet(images: 8, seed: 9))
    try other.spoil(3)
    func config(_ steps: Int) throws -> SegmentConfig {
      try SegmentedSet.config { ($0.steps, $0.preciseBN, $0.maxBad) = (steps, 0, Fraction(value: 0.2)) }
    }
    let out = try set.run(config(1), test: other.spec)
    try set.run(config(2), test: other.spec, to: out)
    let text =
      "--test \(other.spec): images that the test will leave out, because they cannot be read: 1, the first: "
    #expect(warnings(out).count { $0.hasPrefix(text) } == 1, "\(warnings(out))")
    #expect(tests(out).map(\.images) == [7, 7])
  }

  // MARK: - Resuming

  @Test func aRunInTwoPartsEndsInTheSameBytes() throws {
    let set = try SegmentedSet()
    let whole = try set.run(SegmentedSet.config { ($0.steps, $0.testEvery) = (6, 3) })
    let parts = try set.run(SegmentedSet.config { ($0.steps, $0.testEvery) = (3, 3) })
    try set.run(SegmentedSet.config { ($0.steps, $0.testEvery) = (6, 3) }, to: parts)
    #expect(try checkpoint(whole, 6) == checkpoint(parts, 6))
    #expect(try predictions(whole) == predictions(parts))
    #expect(tests(whole).map(\.scores) == tests(parts).map(\.scores) && tests(parts).map(\.step) == [3, 6])
  }

  /// As after a SIGKILL: the newest checkpoint is older than the log, and between two tests.
  @Test func aRunThatWasKilledEndsInTheSameBytes() throws {
    let set = try SegmentedSet()
    let config = try SegmentedSet.config {
      ($0.steps, $0.testEvery, $0.saveEvery, $0.keep) = (6, 3, 2, 9)
    }
    let whole = try set.run(config)
    for kept in [2, 3, 4] {
      let killed = temporaryFolder() + "/run"
      try FileManager.default.copyItem(atPath: whole, toPath: killed)
      for name in try names(in: killed + "/checkpoints") {
        if let step = Int(name.dropFirst(5)), step > kept {
          try FileManager.default.removeItem(atPath: killed + "/checkpoints/" + name)
        }
      }
      try set.run(config, to: killed)
      #expect(try checkpoint(whole, 6) == checkpoint(killed, 6), "kept \(kept)")
      #expect(try predictions(whole) == predictions(killed), "kept \(kept)")
      #expect(tests(whole).map(\.scores) == tests(killed).map(\.scores), "kept \(kept)")
    }
  }

  /// The order and the draws do not depend on the threads that read.
  @Test func theNumberOfThreadsChangesNoBit() throws {
    let set = try SegmentedSet()
    let runs = try [1, 3].map { workers in try set.run(SegmentedSet.config { $0.workers = workers }) }
    #expect(try model(runs[0]) == model(runs[1]))
    #expect(try predictions(runs[0]) == predictions(runs[1]))
  }

  @Test func otherClassesAreNoRunToGoOnWith() throws {
    let set = try SegmentedSet(images: 2)
    let old = try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    let other = try SegmentedSet(images: 2, blue: "azure")
    let error = try failure(UsageError.self) {
      try other.run(
        SegmentedSet.config { ($0.steps, $0.preciseBN, $0.initFile) = (2, 0, nil) }, resume: .from(old))
    }
    #expect(
      error.description
        == "--resume \(old): that run has other classes than \(other.spec). Start a new run from its weights: --init \(old)."
    )
  }

  // MARK: - Weights

  @Test func aSegmenterOfOtherClassesGivesAllButItsLastLayer() throws {
    let set = try SegmentedSet(images: 2)
    let out = try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    let spec = try SegmentedSet.config().spec(classes: 7)
    let network = SegmentationTask.model(spec, using: Generator(seed: 1))
    let found = try TransferWeights(InitialWeights(out), spec, state: network.state)
    #expect(found.fresh == ["head.6.weight", "head.6.bias"])
    #expect(
      found.notes[0].hasPrefix(
        "\(network.state.count - 2) of the segmenter's \(network.state.count) tensors matched in "))
  }

  @Test func theEncoderOfAnotherNetworkIsRefusedByName() throws {
    let runs = try SmallRuns()
    let encoder = try runs.run(runs.config { $0.epochs = 1 })
    let error = try failure(UsageError.self) {
      try SegmentedSet(images: 2).run(SegmentedSet.config { $0.initFile = encoder })
    }
    #expect(
      error.description
        == "\(encoder): it holds a resnet8, and the segmenter has a resnet18. Give --arch resnet8, or other weights."
    )
  }

  // MARK: - Ranks

  /// In float64. Crops have different numbers of pixels without a class, and the loss is the mean over all pixels of the
  /// batch all the same. Sums in another order differ by some units of 1e-16, which three steps enlarge.
  @Test func twoRanksWithSynchronisedNormsEqualOne() async throws {
    let set = try SegmentedSet()
    let config = try SegmentedSet.config {
      ($0.norm, $0.batchSize, $0.steps, $0.preciseBN) = (.sync, 4, 3, 2)
    }
    let folder = temporaryFolder()
    let (spec, one, two) = (set.spec, folder + "/1", folder + "/2")
    let single = try SegmenterTraining(
      config, train: spec, test: spec, out: one, dtype: .float64, console: Console(quiet: true, silent: true))
    _ = try single.run()
    _ = try await withRankContexts(2) { context in
      let run = try SegmenterTraining(
        config, train: spec, test: spec, out: two, context: context, dtype: .float64,
        console: Console(quiet: true, silent: true))
      _ = try run.run()
    }
    let (mine, theirs) = (try Checkpoint.load(one), try Checkpoint.load(two))
    #expect(mine.model.count == theirs.model.count)
    for (name, tensor) in mine.model where tensor.dtype == .float64 {
      let other = try #require(theirs.model[name])
      let difference = (tensor - other).norm().item() / max(tensor.norm().item(), 1e-3)
      #expect(difference < 1e-8, "\(name): \(difference)")
    }
    for (mine, theirs) in zip(losses(one), losses(two)) {
      #expect(abs(mine.loss - theirs.loss) < 1e-8 * mine.loss, "step \(mine.step)")
    }
    #expect(try predictions(one) == predictions(two) && tests(two)[0].images == 8)
  }
}
