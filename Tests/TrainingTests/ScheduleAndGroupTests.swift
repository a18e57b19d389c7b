import Data
import Files
import Foundation
import Methods
import Models
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

/// The length and the learning rate of runs that are counted in steps, and groups of batch normalisation.
@Suite struct ScheduleAndGroupTests {
  /// He et al. 2020, section 4.
  @Test func instagram1BIsCountedInSteps() throws {
    var config = try RunConfig.recipe("ig1b")
    #expect(config.arch == .resnet50 && config.batchSize == 1024 && config.lr == 0.12 && config.wd == 1e-4)
    #expect(config.mocoK == 65_536 && config.mocoM == 0.999 && config.mocoT == 0.07 && !config.mlp)
    #expect(config.bnSplits == 64 && config.bnGroups(ranks: 64) == 1)
    // With few images too, whatever the epochs are.
    for images in [940_000_000, 2048] { #expect(config.totalSteps(images: images) == 1_250_000) }
    #expect(config.epochCount == nil)
    #expect(config.warnings(images: 940_000_000, ranks: 64).isEmpty)
    func rate(_ step: Int) -> Double { config.hyperparameters(step: step, stepsPerEpoch: 2).learningRate }
    #expect(rate(0) == 0.12 && rate(62_499) == 0.12 && abs(rate(62_500) - 0.108) < 1e-15)
    // A run of an older version, whose length must not change.
    (config.bnSplitsPer, config.epochs) = (.rank, 3)
    #expect(config.totalSteps(images: 2048) == 6 && config.epochCount == 3)
  }

  /// torch.optim.lr_scheduler.StepLR(step_size=3, gamma=0.9) from 0.12, printed by PyTorch 2.11, which multiplies rate by
  /// rate: the last digits differ.
  @Test func aScheduleInStepsIsThatOfStepLR() throws {
    var config = try RunConfig.recipe("ig1b")
    config.schedule = .step(factor: 0.9, every: 3)
    let expected = [0.12, 0.12, 0.12, 0.108, 0.108, 0.108, 0.0972, 0.0972, 0.0972, 0.08748, 0.08748, 0.08748]
    for (step, rate) in expected.enumerated() {
      #expect(abs(config.hyperparameters(step: step, stepsPerEpoch: 5).learningRate - rate) < 1e-15)
    }
  }

  @Test func aLearningRateThatWouldNotFallIsWarnedOf() throws {
    func warnings(_ change: (inout RunConfig) -> Void) throws -> [String] {
      var config = try RunConfig.recipe("v1")
      change(&config)
      return config.warnings(images: 1_281_167, ranks: 1)
    }
    #expect(try warnings { _ in }.isEmpty)
    #expect(
      try warnings { $0.epochs = 100 } == [
        "--schedule 120,160: the run has 100 epochs, so the learning rate never falls. Try --schedule 60,80 or --schedule "
          + "cosine."
      ])
    #expect(
      try warnings { $0.epochs = 160 } == [
        "--schedule 120,160: the run has 160 epochs, so the learning rate does not fall at 160. Try --schedule 96,128 or "
          + "--schedule cosine."
      ])
    #expect(
      try warnings { ($0.schedule, $0.epochs) = (.step(factor: 0.9, every: 62_500), 1) } == [
        "--schedule 0.9x62500: the run has 5004 steps, so the learning rate never falls. Try --schedule cosine."
      ])
  }

  /// A batch of 8 in 8 groups would leave one image, which is refused.
  @Test func groupsThatAreAdvisedAreAccepted() throws {
    for (batch, groups) in [(8, 4), (16, 8), (12, 4), (6, 2), (4, 2)] {
      var config = try RunConfig.recipe("cifar")
      (config.bnSplits, config.batchSize, config.mocoK) = (1, batch, 16)
      let warnings = config.warnings(images: 1000, ranks: 1)
      #expect(warnings.count == 1 && warnings[0].hasSuffix("Try --bn-splits \(groups)."), "\(warnings)")
      config.bnSplits = groups
      try config.validate()
    }
  }

  /// The groups of a run that was begun before they were counted over the batch are those of each rank.
  @Test func theFilesOfOlderRunsHaveGroupsOnEachRank() throws {
    #expect(try RunConfig(yaml: "bn-splits: 8", source: "config.yaml").bnSplitsPer == .rank)
    #expect(try JSONDecoder().decode(RunConfig.self, from: Data("{}".utf8)).bnSplitsPer == .rank)
    #expect(try RunConfig(recipe: "bn-splits: 8", source: "mine.yaml").bnSplitsPer == .batch)
    #expect(try RunConfig.recipe("v1").bnSplitsPer == .batch)
    let printed = try RunConfig.recipe("v1").yaml().split(separator: "\n")
      .filter { !$0.hasPrefix("bn-splits-per") }.joined(separator: "\n")
    #expect(try RunConfig(recipe: printed, source: "config.yaml").bnSplitsPer == .rank)
    let kept = try RunConfig(yaml: RunConfig.recipe("v1").yaml(), source: "config.yaml")
    #expect(kept.bnSplitsPer == .batch)
  }

  @Test func groupsThatRanksCannotShareAreRefusedWithTheNearestNumbers() throws {
    func message(_ ranks: Int, _ change: (inout RunConfig) -> Void = { _ in }) throws -> String? {
      var config = try RunConfig.recipe("v1")
      change(&config)
      return #expect(throws: UsageError.self) { try config.validate(ranks: ranks) }?.description
    }
    #expect(
      try message(3) { $0.batchSize = 240 }
        == "--bn-splits 8: 3 ranks cannot share 8 groups equally. Use --bn-splits 6 or 12, or 2 or 4 ranks.")
    #expect(
      try message(3) == "--bn-splits 8: 3 ranks cannot share 8 groups equally. Use 2 or 4 ranks.")
    #expect(
      try message(8) { ($0.bnSplitsPer, $0.batchSize) = (.rank, 64) }
        == "--batch-size 64: 8 ranks × 8 groups on each of a batch of 64 leave one image, which has no statistics; use at "
        + "least 128 images.")
    let config = try RunConfig.recipe("v1")
    for ranks in [1, 2, 4, 8, 16, 128] { try config.validate(ranks: ranks) }
  }

  @Test func theGroupsOfARunAreComparedWithThePapers() throws {
    func text(_ recipe: String, ranks: Int, _ change: (inout RunConfig) -> Void = { _ in }) throws -> String?
    {
      var config = try RunConfig.recipe(recipe)
      change(&config)
      return config.normalizationSummary(ranks: ranks)
    }
    let published = "the paper on ImageNet has 8 of 32, the paper on Instagram-1B has 64 of 16"
    for ranks in [1, 2, 4, 8] {
      #expect(
        try text("v1", ranks: ranks)
          == "batch normalisation in 8 groups of 32 images, as the paper on ImageNet")
    }
    #expect(
      try text("v2", ranks: 8) { $0.bnSplitsPer = .rank }
        == "batch normalisation in 64 groups of 4 images, 8 on each rank; \(published)")
    #expect(
      try text("v1", ranks: 1) { ($0.batchSize, $0.accumulate) = (64, 2) }
        == "batch normalisation in 8 groups of 4 images in each of 2 parts; \(published)")
    #expect(
      try text("ig1b", ranks: 64)
        == "batch normalisation in 64 groups of 16 images, as the paper on Instagram-1B")
    #expect(
      try text("cifar", ranks: 1)
        == "batch normalisation in 8 groups of 64 images, as the published demonstration on CIFAR-10")
    #expect(
      try text("v1", ranks: 2) { ($0.syncBN, $0.bnSplits) = (true, 1) }
        == "all 256 images are normalised together")
    #expect(try text("simclr", ranks: 2) == nil && text("v3-vit-small", ranks: 2) == nil)
  }
}
