import Distributed
import Evaluation
import Files
import Foundation
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

@Suite struct DetectorTrainingTests {
  private func events(_ out: String) -> [RunEvent] { RunLog.read(out + "/log.jsonl") }

  private func tests(_ out: String) -> [RunEvent.Detection] {
    events(out).compactMap { if case .detection(let test) = $0 { test } else { nil } }
  }

  private func results(_ out: String) throws -> Data {
    try #require(FileManager.default.contents(atPath: out + "/results.json"))
  }

  /// The files of a step's checkpoint.
  private func checkpoint(_ out: String, _ step: Int) throws -> [String: Data] {
    let found = try contents(out + "/checkpoints/step-\(step)")
    #expect(found.count == 3)
    return found
  }

  // MARK: - A whole run

  @Test func aRunLearnsTestsAndLeavesResultsThatOthersRead() throws {
    let set = try RectangleSet()
    let out = try set.run(RectangleSet.config { $0.scoreThreshold = 0 })
    let log = events(out)
    guard case .detector(let start) = log.first, case .end(let end) = log.last else {
      Issue.record(
        "the log begins with \(String(describing: log.first)) and ends with \(String(describing: log.last))")
      return
    }
    #expect(start.classes == ["red", "blue"] && start.images == 8 && start.trainData == set.spec)
    #expect(end.status == .finished && end.step == 4)
    let losses = log.compactMap { if case .losses(let step) = $0 { step } else { nil } }
    #expect(losses.map(\.step) == [1, 2, 3, 4])
    for step in losses {
      #expect(Set(step.losses.keys) == ["loss_cls", "loss_box_reg", "loss_rpn_cls", "loss_rpn_loc"])
      // Each is rounded when it is added up.
      #expect(abs(step.losses.values.reduce(0, +) - step.loss) < 1e-9)
    }
    let test = try #require(tests(out).first)
    #expect(test.step == 4 && test.images == 8 && test.scores.map(\.kind) == [.bbox])
    #expect(test.scores[0].values.prefix(3).map(\.name) == ["AP", "AP50", "AP75"])
    #expect(test.scores[0].classes.map(\.name) == ["red", "blue"])

    let list = try #require(JSONSerialization.jsonObject(with: results(out)) as? [[String: Any]])
    #expect(list.count == test.detections && test.detections > 0)
    for result in list {
      #expect((10..<18).contains(try #require(result["image_id"] as? Int)))
      #expect([3, 7].contains(try #require(result["category_id"] as? Int)))
      let box = try #require(result["bbox"] as? [Double])
      #expect(box.count == 4 && box[0] >= 0 && box[2] > 0 && box[0] + box[2] <= 64.001)
    }
  }

  @Test func masksAreLearnedAndWritten() throws {
    let set = try RectangleSet(images: 4)
    let config = try RectangleSet.config {
      ($0.masks, $0.steps, $0.scoreThreshold, $0.preciseBN) = (true, 2, 0, 0)
      $0.maskChannels = 8
    }
    let out = try set.run(config)
    #expect(tests(out).first?.scores.map(\.kind) == [.bbox, .segm])
    let list = try #require(JSONSerialization.jsonObject(with: results(out)) as? [[String: Any]])
    let mask = try #require(list.first?["segmentation"] as? [String: Any])
    #expect(mask["size"] as? [Int] == [48, 64] && mask["counts"] is String)
  }

  /// Sixty steps on easy images: more than chance must come out, and nothing diverge. A step's loss depends much on its
  /// images, and the trajectory on the processor's rounding: so fifteen steps are averaged, and a tenth is asked of them.
  @Test func theLossFalls() throws {
    let config = try RectangleSet.config {
      ($0.steps, $0.lr, $0.warmupSteps, $0.preciseBN) = (60, 0.02, 5, 2)
    }
    let out = try RectangleSet().run(config)
    let losses = events(out).compactMap { if case .losses(let step) = $0 { step.loss } else { nil } }
    let (first, last) = (losses.prefix(5).reduce(0, +) / 5, losses.suffix(15).reduce(0, +) / 15)
    #expect(last < 0.9 * first, "\(first) → \(last)")
  }

  // MARK: - Resuming

  @Test func aRunInTwoPartsEndsInTheSameBytes() throws {
    let set = try RectangleSet()
    let whole = try set.run(RectangleSet.config { ($0.steps, $0.testEvery) = (6, 3) })
    let parts = try set.run(RectangleSet.config { ($0.steps, $0.testEvery) = (3, 3) })
    try set.run(RectangleSet.config { ($0.steps, $0.testEvery) = (6, 3) }, to: parts)
    #expect(try checkpoint(whole, 6) == checkpoint(parts, 6))
    #expect(try results(whole) == results(parts))
    #expect(tests(whole).map(\.scores) == tests(parts).map(\.scores) && tests(parts).map(\.step) == [3, 6])
  }

  /// As after a SIGKILL: the newest checkpoint is older than the log, and between two tests.
  @Test func aRunThatWasKilledEndsInTheSameBytes() throws {
    let set = try RectangleSet()
    let config = try RectangleSet.config {
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
      #expect(tests(whole).map(\.scores) == tests(killed).map(\.scores), "kept \(kept)")
    }
  }

  /// A checkpoint after step 3 whose test was not finished: it holds the statistics already, and the test is made.
  @Test func aTestThatWasBrokenOffIsMadeAtTheNextStart() throws {
    let set = try RectangleSet()
    let config = try RectangleSet.config { ($0.steps, $0.testEvery) = (3, 3) }
    let out = try set.run(config)
    let before = try (checkpoint(out, 3), results(out))
    let log = try String(contentsOfFile: out + "/log.jsonl", encoding: .utf8)
    let kept = log.split(separator: "\n").filter { !$0.contains("\"event\":\"detection\"") }
    try kept.joined(separator: "\n").appending("\n").write(
      toFile: out + "/log.jsonl", atomically: true, encoding: .utf8)
    try FileManager.default.removeItem(atPath: out + "/results.json")
    try set.run(config, to: out)
    #expect(try checkpoint(out, 3) == before.0)
    #expect(try results(out) == before.1 && tests(out).map(\.step) == [3])
  }

  @Test func anotherConfigurationOrOtherAnnotationsAreRefused() throws {
    let set = try RectangleSet()
    let out = try set.run(RectangleSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    let error = try failure(UsageError.self) {
      try set.run(RectangleSet.config { ($0.steps, $0.preciseBN, $0.lr) = (2, 0, 0.5) }, to: out)
    }
    #expect(error.description.contains("the folder holds another run (lr is 0.01 there and 0.5 here)"))
    let others = try failure(UsageError.self) {
      try RectangleSet(seed: 6).run(RectangleSet.config { ($0.steps, $0.preciseBN) = (2, 0) }, to: out)
    }
    #expect(others.description.contains("belongs to a run on other images or annotations"))
  }

  @Test func aRunIsCarriedOnInANewFolderWithOtherSettings() throws {
    let set = try RectangleSet()
    let old = try set.run(RectangleSet.config { ($0.steps, $0.preciseBN) = (2, 0) })
    let new = try set.run(
      RectangleSet.config {
        ($0.steps, $0.preciseBN, $0.lr, $0.initFile) = (3, 0, 0.002, nil)
      }, to: temporaryFolder() + "/new", resume: .from(old))
    guard case .detector(let start) = events(new).first else { throw Unthrown() }
    #expect(start.resumedFrom == 2)
    #expect(start.notes?.first == "goes on from \(old) after step 2")
    #expect(start.notes?.contains("lr: 0.01 there, 0.002 from now on") == true)
  }

  // MARK: - Before the first step

  /// Otherwise the test would end the run after its last step.
  @Test func aTestSetWithTooManyBadImagesIsRefusedBeforeTheFirstStep() throws {
    let set = try RectangleSet(images: 4)
    let other = try RectangleSet(images: 2, width: 32)
    try FileManager.default.removeItem(atPath: set.folder + "/001.png")
    try FileManager.default.copyItem(atPath: other.folder + "/001.png", toPath: set.folder + "/001.png")
    let out = temporaryFolder() + "/run"
    let error = try failure(RunError.self) { try set.run(RectangleSet.config(), to: out) }
    #expect(
      error.description.hasPrefix("--test \(set.spec): 1 of 4 images cannot be read, more than 5%: "),
      "\(error)")
    #expect(
      error.description.contains("it has 32 × 48 pixels, and its annotations are for 64 × 48; "), "\(error)")
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  // MARK: - Evaluation alone

  @Test func anEvaluationAloneGivesTheRunsResults() throws {
    let set = try RectangleSet()
    let out = try set.run(RectangleSet.config { ($0.steps, $0.scoreThreshold) = (2, 0) })
    let other = temporaryFolder() + "/other"
    let evaluation = try DetectorEvaluation(
      out, test: set.spec, out: other, console: Console(quiet: true, silent: true))
    let measured = try #require(try evaluation.run())
    #expect(try results(other) == results(out))
    #expect(measured.scores == tests(out).last?.scores && measured.step == 2)
  }

  @Test func aTestOfOtherImagesLeavesTheRunsResultsAsTheyAre() throws {
    let (set, other) = (try RectangleSet(images: 3), try RectangleSet(images: 2))
    let out = try set.run(RectangleSet.config { ($0.steps, $0.preciseBN, $0.scoreThreshold) = (1, 0, 0) })
    let before = try results(out)
    let evaluation = try DetectorEvaluation(
      out, test: other.spec, out: out, console: Console(quiet: true, silent: true))
    _ = try evaluation.run()
    #expect(evaluation.folder == out + "/eval")
    #expect(try results(out) == before && results(evaluation.folder) != before)
  }

  @Test func aRunOfPretrainingIsNoDetector() throws {
    let runs = try SmallRuns()
    let out = try runs.run(runs.config { $0.epochs = 1 })
    let error = try failure(RunError.self) {
      _ = try DetectorEvaluation(out, test: "x", out: out, console: Console(quiet: true, silent: true))
    }
    #expect(
      error.description.hasSuffix(
        "it holds no detector. Give a run of `moco detect`, or one of its checkpoints."))
  }

  // MARK: - Ranks

  /// In float64, of images of one size, with as many boxes sampled in each: then the mean over the ranks is the mean over
  /// the batch. Sums in another order differ by some units of 1e-16, which three steps enlarge.
  @Test func twoRanksWithSynchronisedNormsEqualOne() async throws {
    let set = try RectangleSet()
    let config = try RectangleSet.config {
      ($0.norm, $0.batchSize, $0.steps, $0.flip, $0.preciseBN) = (.sync, 4, 3, 0.5, 2)
      $0.scoreThreshold = 0
    }
    func out(_ ranks: Int) -> String { folder + "/\(ranks)" }
    let folder = temporaryFolder()
    let (spec, one, two) = (set.spec, out(1), out(2))
    let single = try DetectorTraining(
      config, train: spec, test: spec, out: one, dtype: .float64, console: Console(quiet: true, silent: true))
    _ = try single.run()
    _ = try await withRankContexts(2) { context in
      let run = try DetectorTraining(
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
    let counts = (tests(one)[0].detections, tests(two)[0].detections)
    #expect(counts.0 == counts.1 && tests(two)[0].images == 8)
  }
}
