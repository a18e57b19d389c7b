import Files
import Foundation
import Methods
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

/// The arithmetic of a plan, by hand.
@Suite struct RunPlanTests {
  private func measure(_ config: RunConfig, device: String = "cpu", threads: Int = 2) -> StepMeasure {
    var one = config
    one.batchSize = 8
    return StepMeasure(
      one, device: device, cores: 2, threads: threads, secondsPerStep: 2, secondsOfUpdates: 0.4,
      programBytes: 100,
      peakBytes: 100 + 50 + 8 * 1000, stateBytes: 50)
  }

  private func plan(
    _ config: RunConfig, device: String = "cpu", threads: Int = 2, loader: LoaderMeasure? = nil,
    ranksPerMachine: Int = 1
  ) throws -> RunPlan {
    RunPlan(
      config, images: 940_000_000, footprint: Footprint(weights: 1000, optimizer: 1000, keyEncoder: 1000),
      step: measure(config, device: device, threads: threads), loader: loader,
      ranksPerMachine: ranksPerMachine,
      network: try #require(NetworkSpeed("8Gbit/s")))
  }

  /// ResNet-50 has 25,557,032 weights with torchvision's layer of 1000 classes, and 2048·128 + 128 in its place.
  @Test func theFootprintOfResNet50IsCounted() throws {
    let config = try RunConfig.recipe("ig1b")
    let found = try Learner(config, images: 1024, device: .cpu).footprint(config)
    let weights = 4 * (25_557_032 - (2048 * 1000 + 1000) + 2048 * 128 + 128)
    #expect(found.weights == weights && found.optimizer == weights && found.keyEncoder == weights)
    #expect(found.dictionary == 4 * 128 * 65_536)
    // Its 53 batch normalisations have 26,560 channels: a mean and a variance, and the number of batches.
    #expect(found.normalizedChannels == 26_560 && found.keyChannels == 26_560)
    let statistics = 2 * 4 * 26_560 + 8 * 53
    #expect(found.others == 2 * statistics)
    let kept = 4 * weights + found.dictionary + found.others
    #expect(found.total == kept)
  }

  @Test func aRankSendsWhatRingsNeed() throws {
    let config = try RunConfig.recipe("ig1b")
    let sent = try plan(config).estimate(ranks: 64).sent
    #expect(sent.map(\.name) == ["gradients", "images (ShuffleBN)", "keys", "loss and signal"])
    let gradients = 1000.0 * 2 * 63 / 64
    let images = 63 * 16 * (3 * 224 * 224 * 4)
    let keys = 63 * 16 * (128 * 4)
    let expected: [Double] = [gradients, Double(images), Double(keys), 63 * 16]
    #expect(sent.map(\.bytes) == expected)
    #expect(try plan(config).estimate(ranks: 1).sent.isEmpty)
  }

  /// Statistics of 10 channels and of 4 of a key encoder, in both passes of a symmetric step.
  @Test func statisticsOverAllRanksAreSentTwoWays() throws {
    var config = try RunConfig.recipe("cifar")
    (config.bnSplits, config.syncBN, config.symmetric) = (1, true, true)
    var plan = try plan(config)
    plan = RunPlan(
      config, images: 50_000, footprint: Footprint(weights: 1000, normalizedChannels: 10, keyChannels: 4),
      step: plan.step, loader: nil, ranksPerMachine: 1, network: plan.network)
    let sent = try plan.estimate(ranks: 4).sent
    #expect(sent.map(\.name) == ["gradients", "keys", "statistics (SyncBN)", "loss and signal"])
    let keys: Double = 3 * 128 * 2 * 128 * 4
    let forward: Double = 3 * 8 * 14
    let back: Double = 1.5 * 8 * 10
    #expect(sent[1].bytes == keys)
    #expect(sent[2].bytes == 2 * (forward + back))
  }

  /// 0.4 s of updates, and 0.2 s for each image.
  @Test func timeGrowsWithTheImagesOfARankAndWithTheRanksOfAMachine() throws {
    let config = try RunConfig.recipe("ig1b")
    let seconds = 0.4 + 16 * 0.2
    func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-9 * max(1, b) }
    let apart = try plan(config).estimate(ranks: 64)
    #expect(isNear(apart.compute, seconds))
    #expect(apart.machines == 64)
    #expect(isNear(apart.network, apart.sentBytes / 1e9))
    #expect(isNear(apart.secondsOfRun, 1_250_000 * apart.secondsPerStep))
    let together = try plan(config, ranksPerMachine: 64).estimate(ranks: 64)
    #expect(isNear(together.compute, 64 * seconds))
    #expect(together.network == 0)
    // Measured with one thread: four ranks on two cores take twice as long.
    let single = try plan(config, threads: 1, ranksPerMachine: 4).estimate(ranks: 64)
    #expect(isNear(single.compute, 2 * seconds))
    let gpus = try plan(config, device: "cuda:0", ranksPerMachine: 8).estimate(ranks: 64)
    #expect(isNear(gpus.compute, seconds))
    #expect(gpus.machines == 8)
  }

  /// 8 ranks of 16 images at 10 images a core and second, on 2 cores: 6.4 s. On a CPU they are added to the step.
  @Test func loadingTakesCoresOrIsHidden() throws {
    let config = try RunConfig.recipe("ig1b")
    let loader = LoaderMeasure(full: 10, bytesPerImage: 1000)
    let cpu = try plan(config, loader: loader).estimate(ranks: 64)
    #expect(cpu.loading == 0.8)
    let sum: Double = cpu.compute + cpu.network + 0.8
    #expect(abs(cpu.secondsPerStep - sum) < 1e-12)
    #expect(cpu.bottleneck == "compute")
    let gpu = try plan(config, device: "cuda:0", loader: loader, ranksPerMachine: 8).estimate(ranks: 64)
    #expect(gpu.loading == 6.4 && gpu.secondsPerStep == 6.4)
    #expect(gpu.bottleneck == "loader")
    let cores: Double = try #require(gpu.loaderCores)
    let wanted: Double = 1.6 / (gpu.compute + gpu.network)
    #expect(abs(cores - wanted) < 1e-12)
    let read: Double = try #require(gpu.readBytesPerSecond)
    #expect(abs(read - 160_000) < 1e-6)
  }

  @Test func memoryIsThatOfTheTensorsOfTheStepAndOfGatheredImages() throws {
    let config = try RunConfig.recipe("ig1b")
    let memory = try #require(try plan(config).estimate(ranks: 64).memory)
    let bytes = Dictionary(uniqueKeysWithValues: memory.map { ($0.name, $0.bytes) })
    #expect(bytes["weights"] == 1000 && bytes["gradients"] == 1000 && bytes["optimizer"] == 1000)
    let perStep: Double = 16_000
    #expect(bytes["views and activations"] == perStep)
    let gathered: Double = 65 * 16 * 602_112  // 3·224² numbers of 4 bytes
    #expect(bytes["gathered images"] == gathered)
  }

  @Test func ranksThatCannotShareTheBatchAreRefused() throws {
    let error = #expect(throws: UsageError.self) {
      try plan(RunConfig.recipe("v1")).estimate(ranks: 256)
    }
    #expect(error?.description.hasPrefix("--batch-size 256: 256 ranks of a batch of 256 leave one") == true)
  }

  @Test func speedsOfNetworksAreRead() {
    let speeds = ["25Gbit/s", "800 Mbit/s", "3GB/s", "5MB/s"].map { NetworkSpeed($0)?.bytesPerSecond }
    #expect(speeds == [3.125e9, 1e8, 3e9, 5e6])
    for text in ["", "25", "Gbit/s", "-1GB/s", "0MB/s", "fastGB/s"] { #expect(NetworkSpeed(text) == nil) }
  }

  /// Only numbers of another length in state.json may differ: step, loss and the data's checksum.
  @Test func theSizeOfACheckpointIsThatOfItsFiles() throws {
    var config = try RunConfig.recipe("cifar")
    (config.arch, config.imageSize, config.batchSize, config.mocoK) = (.resnet8, 16, 16, 24)
    config.device = .named(.cpu)
    let learner = try Learner(config, images: 16, device: .cpu)
    let folder = temporaryFolder()
    let state = TrainingState(
      step: 7, epoch: 0, batch: 7, seed: 1, queuePointer: 0, configHash: try config.hash, lastLoss: 3.25,
      kernels: Kernels.here(on: .cpu), extra: ["data": 4_000_000_000])
    let metadata = try config.checkpointMetadata()
    let path = try CheckpointStore(folder: folder).save(
      model: learner.modelState, optimizer: learner.optimizerState, state: state, metadata: metadata)
    let sizes = try FileManager.default.contentsOfDirectory(atPath: path).map {
      try FileManager.default.attributesOfItem(atPath: path + "/" + $0)[.size] as? Int ?? 0
    }
    let written = sizes.reduce(0, +)
    #expect(sizes.count == 3)
    #expect(
      try CheckpointStore.size(
        model: learner.modelState, optimizer: learner.optimizerState, state: state, metadata: metadata)
        == written)
    #expect(try abs(learner.footprint(config).checkpoint - written) < 32)
  }
}
