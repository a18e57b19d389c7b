import Data
import Files
import Foundation
import Images
import Methods
import TestSupport
import Testing
import Torch
import Weights
@testable import Distributed
@testable import Training

/// Runs of a few steps on a folder of made images. Serialized: signals are the process's.
@Suite(.serialized) struct PretrainingTests {
  private let data: String
  private let out = temporaryFolder() + "/run"

  init() throws { data = try makeImageFolder(classes: 2, imagesPerClass: 20) }

  private func config(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    var config = try RunConfig.recipe("cifar")
    config.arch = .resnet8
    config.imageSize = 16
    config.batchSize = 8
    config.bnSplits = 2
    config.mocoK = 12  // no multiple of the batch
    config.epochs = 2
    config.device = .named(.cpu)
    config.workers = 2
    config.logEvery = 1
    change(&config)
    return config
  }

  @discardableResult
  private func pretrain(_ config: RunConfig, to out: String? = nil, resume: Pretraining.Resume = .auto) throws
    -> Pretraining.Outcome
  {
    try Pretraining(config, data: data, out: out ?? self.out, resume: resume, console: Console(quiet: true))
      .run()
  }

  private func events(_ out: String? = nil) -> [RunEvent] { RunLog.read((out ?? self.out) + "/log.jsonl") }

  private func steps(_ events: [RunEvent]) -> [RunEvent.Step] {
    events.compactMap { if case .step(let step) = $0 { step } else { nil } }
  }

  @Test func aRunLeavesItsConfigurationLogAndCheckpoints() throws {
    let config = try config()
    #expect(try pretrain(config) == .finished)
    #expect(
      try RunConfig(yaml: String(contentsOfFile: out + "/config.yaml", encoding: .utf8), source: "") == config
    )
    let events = events()
    #expect(steps(events).map(\.step) == Array(1...10))
    guard case .start(let start) = events.first, case .end(let end) = events.last else {
      Issue.record("the log begins with \(events.first.debugDescription)")
      return
    }
    #expect(start.images == 40 && start.resumedFrom == nil && start.config == config)
    #expect(end.status == .finished && end.step == 10)
    let checkpoint = try Checkpoint.load(out)
    #expect(checkpoint.state?.step == 10)
    #expect(checkpoint.state?.queuePointer == 10 * 8 % 12)
    #expect(checkpoint.model["queue"]?.shape == [12, 128])
  }

  @Test func everyLoggedStepTellsHowFeaturesAndQueueLie() throws {
    try pretrain(config { $0.symmetric = true })
    let found = steps(events()).compactMap(\.diagnostics)
    #expect(found.count == 10)
    #expect(found.allSatisfy { (0...4).contains($0.alignment) && (-8...0.001).contains($0.uniformity) })
    #expect(found.allSatisfy { (1...8).contains($0.featureRank) })
    // 16 keys a step into room for 12: the queue always holds the last step's.
    #expect(found.allSatisfy { $0.queueFilled == 1 && $0.queueAge == 0 && $0.queueSimilarity != nil })
  }

  @Test func theFirstViewsAreKeptAsAPicture() throws {
    try pretrain(config { $0.steps = 1 })
    let sheet = try ImageDecoder().decode(contentsOf: out + "/views.png")
    // Two rows of eight views of 16 pixels, magnified twice, with borders of 3.
    #expect(sheet.width == 8 * (16 * 2 + 3) + 3 && sheet.height == 2 * (16 * 2 + 3) + 3)
    try FileManager.default.removeItem(atPath: out + "/views.png")
    try pretrain(config { $0.steps = 2 })
    #expect(!FileManager.default.fileExists(atPath: out + "/views.png"))
  }

  @Test func theLossIsThatOfASoftmaxOverKPlusOne() throws {
    try pretrain(
      config {
        $0.epochs = 20; $0.lr = 0.1
      })
    let losses = steps(events()).map(\.loss)
    #expect(losses.count == 100)
    // Once the queue is full of real keys a guess scores log(13) = 2.56; learning must beat it.
    #expect(losses.suffix(20).reduce(0, +) / 20 < 2.5)
  }

  @Test(arguments: Precision.allCases)
  func aRunStoppedAndContinuedEqualsTheUnbrokenOne(precision: Precision) throws {
    let unbroken = temporaryFolder() + "/run"
    try pretrain(config { $0.precision = precision }, to: unbroken)
    for steps in [3, 5, 8, nil] {
      try pretrain(
        config {
          $0.steps = steps; $0.precision = precision
        })
    }
    let (a, b) = (try Checkpoint.load(unbroken), try Checkpoint.load(out))
    #expect(a.model.count == b.model.count && a.optimizer.count == b.optimizer.count)
    #expect(a.model.count > 50 && a.optimizer.count > 20)
    for (name, tensor) in a.model.merging(a.optimizer, uniquingKeysWith: { model, _ in model }) {
      let other = try #require(b.model[name] ?? b.optimizer[name])
      #expect(bytes(tensor) == bytes(other), "\(name)")
    }
    #expect(a.state == b.state)
    func told(_ step: RunEvent.Step) -> [Double] {
      [Double(step.step), step.loss, step.lr, step.contrastTop1 ?? -1]
    }
    #expect(steps(events()).map(told) == steps(events(unbroken)).map(told))
  }

  @Test func aCheckpointFromElsewhereIsContinuedInANewFolder() throws {
    let (unbroken, first) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    try pretrain(config(), to: unbroken)
    try pretrain(config { $0.steps = 4 }, to: first)
    try pretrain(config(), resume: .from(first + "/checkpoints/step-4"))
    #expect(steps(events()).map(\.step) == Array(5...10))
    let (a, b) = (try Checkpoint.load(unbroken), try Checkpoint.load(out))
    #expect(a.model.count > 50 && a.model.mapValues(bytes) == b.model.mapValues(bytes))
  }

  @Test func workersChangeNoBit() throws {
    var models: [[String: [UInt8]]] = []
    for workers in [1, 2, 7] {
      let out = temporaryFolder() + "/run"
      try pretrain(config { $0.workers = workers }, to: out)
      models.append(try Checkpoint.load(out).model.mapValues(bytes))
    }
    #expect(models[0].count > 50)
    #expect(models[0] == models[1] && models[1] == models[2])
  }

  @Test func anotherSeedGivesAnotherRun() throws {
    let other = temporaryFolder() + "/run"
    try pretrain(config { $0.steps = 2 })
    try pretrain(
      config {
        $0.steps = 2; $0.seed = 2
      }, to: other)
    #expect(steps(events()).map(\.loss) != steps(events(other)).map(\.loss))
  }

  @Test func aSignalSavesAndLeaves() throws {
    StopRequest.simulate(SIGTERM)
    defer { StopRequest.simulate(0) }
    #expect(try pretrain(config()) == .stopped(signal: SIGTERM))
    #expect(try Checkpoint.load(out).state?.step == 1)
    guard case .end(let end) = events().last else {
      Issue.record("no end in the log")
      return
    }
    #expect(end.status == .stopped)
  }

  /// A signal that comes during the computations before an epoch leaves the checkpoint before them.
  @Test func aClusteringThatASignalBreaksOffIsMadeAgain() throws {
    let config = try config {
      ($0.method, $0.instDiscEpochs, $0.clusterings, $0.bnSplits) = ("local-agg", 0, 2, 1)
    }
    let unbroken = temporaryFolder() + "/run"
    try pretrain(config, to: unbroken)
    StopRequest.simulate(SIGTERM)
    do {
      defer { StopRequest.simulate(0) }
      #expect(try pretrain(config) == .stopped(signal: SIGTERM))
    }
    let before = try Checkpoint.load(out)
    #expect(before.state?.step == 0)
    #expect(before.model["bank.clusters"]?.array(of: Int.self).allSatisfy { $0 < 0 } == true)
    #expect(try pretrain(config) == .finished)
    #expect(steps(events()).map(\.step) == Array(1...10))
    let (a, b) = (try Checkpoint.load(unbroken), try Checkpoint.load(out))
    #expect(a.model.count > 20 && a.model.mapValues(bytes) == b.model.mapValues(bytes))
  }

  /// Ranks whose clocks disagree would otherwise save, and then wait for one another, after different steps.
  @Test(arguments: [0, 1])
  func aSaveByTimeIsRank0s(impatient: Int) async throws {
    let outcomes = try await withRankContexts(2) { [self] context in
      let interval = context.rank.number == impatient ? Duration.zero : .seconds(600)
      return try Pretraining(
        config {
          $0.steps = 3; $0.keep = 3
        }, data: data, out: out, context: context, saveInterval: interval, console: Console(quiet: true)
      ).run()
    }
    #expect(outcomes == [.finished, .finished])
    let saved = try FileManager.default.contentsOfDirectory(atPath: out + "/checkpoints")
      .filter { $0.hasPrefix("step-") }.sorted()
    #expect(saved == (impatient == 0 ? ["step-1", "step-2", "step-3"] : ["step-3"]))
  }

  @Test func aMaskedAutoEncoderTrainsWithOneImageAStep() throws {
    try pretrain(
      config {
        ($0.method, $0.arch, $0.stem, $0.bnSplits, $0.views) = ("mae", .vitMini, nil, 1, .mae)
        ($0.decoderDim, $0.decoderDepth, $0.decoderHeads) = (24, 1, 3)
        ($0.batchSize, $0.steps) = (1, 3)
      })
    let losses = steps(events()).map(\.loss)
    #expect(losses.count == 3 && losses.allSatisfy { $0.isFinite && $0 > 0 }, "\(losses)")
  }

  @Test func aLossThatIsNoNumberStopsWithTheLastGoodCheckpointKept() throws {
    let error = #expect(throws: DivergedRun.self) {
      try pretrain(
        config {
          $0.lr = 1e30; $0.saveEvery = 1
        })
    }
    #expect(error?.description.contains("training diverged: the loss of step") == true)
    #expect(error?.description.contains("Try a lower --lr (now 1e+30)") == true)
    let checkpoint = try? Checkpoint.load(out)
    for (name, tensor) in checkpoint?.model ?? [:] where tensor.dtype.isFloatingPoint {
      #expect(tensor.isAllFinite(), "\(name) was saved with infinities")
    }
    guard case .end(let end) = events().last else {
      Issue.record("no end in the log")
      return
    }
    #expect(end.status == .failed && end.reason == error?.description && end.divergedAt == error?.step)
  }

  @Test func aFolderThatHoldsAnotherRunIsRefusedUntouched() throws {
    try pretrain(config { $0.steps = 1 })
    let before = try String(contentsOfFile: out + "/log.jsonl", encoding: .utf8)
    let error = #expect(throws: UsageError.self) { try pretrain(config { $0.mocoT = 0.5 }) }
    #expect(
      error?.description
        == "--out \(out): the folder holds another run (moco-t is 0.1 there and 0.5 here). "
        + "Choose another folder, or repeat that run's options to continue it. With other options it goes on in a new "
        + "folder: --resume \(out) --out NEW.")
    let never = #expect(throws: UsageError.self) { try pretrain(config(), resume: .never) }
    #expect(never?.description.hasPrefix("--out \(out): the folder holds a run already.") == true)
    #expect(try String(contentsOfFile: out + "/log.jsonl", encoding: .utf8) == before)
  }

  @Test func aFolderOfOtherFilesIsRefused() throws {
    let error = #expect(throws: UsageError.self) { try pretrain(config(), to: data) }
    #expect(
      error?.description
        == "--out \(data): the folder is not empty (class0) and holds no run. Choose a new one.")
  }

  @Test func twoProcessesCannotTrainInOneFolder() throws {
    let holder = try RunFolder(out)
    let error = #expect(throws: UsageError.self) { try pretrain(config()) }
    #expect(error?.description.contains("another process is training in this folder") == true)
    withExtendedLifetime(holder) {}
  }

  @Test func otherImagesAreNoContinuation() throws {
    try pretrain(config { $0.steps = 1 })
    for other in [
      try makeImageFolder(classes: 2, imagesPerClass: 21),
      try makeImageFolder(classes: 2, imagesPerClass: 20, seed: 8),
    ] {
      let error = #expect(throws: UsageError.self) {
        try Pretraining(config(), data: other, out: out, console: Console(quiet: true))
      }
      #expect(
        error?.description
          == "\(out)/checkpoints/step-1 belongs to a run on other images. Restore that data set, or carry the run on "
          + "with these in a new folder: --resume \(out)/checkpoints/step-1 --out NEW.")
    }
  }

  @Test func aDamagedCheckpointIsNamedAndTheOneBeforeItUsed() throws {
    try pretrain(
      config {
        $0.steps = 4; $0.saveEvery = 2
      })
    let file = URL(fileURLWithPath: out + "/checkpoints/step-4/model.safetensors")
    var contents = try Data(contentsOf: file)
    contents[contents.count - 3] ^= 1
    try contents.write(to: file)
    try pretrain(config { $0.steps = 5 })
    let events = events()
    guard case .start(let start) = events.last(where: { if case .start = $0 { true } else { false } }) else {
      Issue.record("no start in the log")
      return
    }
    #expect(start.resumedFrom == 2)
    let warnings = events.compactMap { if case .warning(let warning) = $0 { warning.message } else { nil } }
    #expect(
      warnings.contains {
        $0.contains("step-4 is damaged: tensor queue in model.safetensors")
          && $0.contains("The one before it is used.")
      })
    #expect(steps(events).map(\.step) == [1, 2, 3, 4, 5])
  }

  @Test func theMonitorMeasuresKNNAtEpochEnds() throws {
    try pretrain(
      config {
        $0.knnTrain = data; $0.knnTest = data; $0.epochs = 2; $0.knnEvery = 2
      })
    let measured = events().compactMap { if case .knn(let knn) = $0 { knn } else { nil } }
    #expect(measured.map(\.step) == [10])
    #expect(measured.allSatisfy { (0...100).contains($0.top1) })
  }

  /// A run that is asked for fewer steps than it has made is measured as what it is.
  @Test func weightsAreMeasuredUnderTheStepThatTheyHave() throws {
    _ = try pretrain(config { $0.steps = 6 })
    let shorter = try config {
      ($0.knnTrain, $0.knnTest, $0.steps) = (data, data, 4)
    }
    #expect(try pretrain(shorter) == .finished)
    let measured = events().compactMap { if case .knn(let knn) = $0 { knn.step } else { nil } }
    #expect(measured == [6])
  }

  /// As after a signal between an epoch's last step and the end of its measurement.
  @Test func aMeasurementThatIsMissingIsMadeUp() throws {
    try pretrain(config { $0.steps = 5 })
    try pretrain(
      config {
        ($0.knnTrain, $0.knnTest) = (data, data)
      })
    let measured = events().compactMap { if case .knn(let knn) = $0 { knn.step } else { nil } }
    #expect(measured == [5, 10])
  }

  @Test func badImagesAmongGoodOnesAreListedAndTheRunGoesOn() throws {
    let mixed = try makeImageFolder(classes: 1, imagesPerClass: 200)
    try Data("no image".utf8).write(to: URL(fileURLWithPath: mixed + "/class0/broken.png"))
    let run = try Pretraining(config { $0.epochs = 1 }, data: mixed, out: out, console: Console(quiet: true))
    #expect(try run.run() == .finished)
    let list = try String(contentsOfFile: out + "/bad-files.txt", encoding: .utf8)
    #expect(list.split(separator: "\n").count == 1 && list.contains("class0/broken.png"))
  }

  private func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withUnsafeBytes { Array($0) } }
}
