import Data
import Evaluation
import Files
import Foundation
import Testing
import Torch
@testable import Training

@Suite struct FineTuneConfigTests {
  // MARK: - The recipes

  @Test func fewLabelsAreTheDefaultsOfTheProtocol() throws {
    let config = try FineTuneConfig.recipe(FineTuneRecipe.standard)
    try config.validate()
    #expect(config.settings == FineTuneProtocol())
    #expect(FineTuneRecipe.names == ["few-labels", "imagenet", "inaturalist", "deit"])
  }

  @Test(arguments: [("imagenet", 0.03), ("inaturalist", 0.025)])
  func thePapersRecipesHaveItsRates(name: String, rate: Double) throws {
    let config = try FineTuneConfig.recipe(name)
    try config.validate()
    let settings = config.settings
    #expect(settings.backboneRate == rate && settings.classifierRate == rate)
    #expect(settings.epochs == 100 && settings.schedule == .milestones([70, 90]))
    #expect(settings.batchSize == 256 && settings.optimizer == .sgd && settings.momentum == 0.9)
    #expect(settings.weightDecay == 1e-4 && settings.decaysAll && settings.layerDecay == 1)
    #expect(settings.batchNorm == .trained && !settings.normalizesFeatures)
    #expect(!settings.mixup.isActive && settings.erasing.probability == 0 && settings.dropPath == 0)
    #expect(settings.view == LearningView())
  }

  @Test func deitHasTheDefaultsOfItsCode() throws {
    let config = try FineTuneConfig.recipe("deit")
    try config.validate()
    let settings = config.settings
    #expect(settings.optimizer == .adamw && settings.weightDecay == 0.05 && !settings.decaysAll)
    // 5e-4 · 1024 / 512, in both.
    #expect(settings.batchSize == 1024)
    for base in [settings.backboneRate, settings.classifierRate] {
      #expect(abs(settings.scaled(base) - 1e-3) < 1e-15)
    }
    #expect(settings.epochs == 150 && settings.schedule == .cosine && settings.warmUpEpochs == 5)
    #expect(settings.leastRate == 1e-5 && settings.dropPath == 0.1 && settings.labelSmoothing == 0.1)
    #expect(settings.mixup == Mixup(mixupAlpha: 0.8, cutmixAlpha: 1, probability: 1, switchProbability: 0.5))
    #expect(settings.erasing == RandomErasing(probability: 0.25))
    #expect(
      settings.view.steps == [
        .crop(scale: 0.08...1), .flip(probability: 0.5),
        .randAugment(RandAugment(layers: 2, magnitude: 9, deviation: 0.5, probability: 0.5)),
      ])
    #expect(settings.view.interpolation == .bicubic && settings.view.repeats == 3)
    #expect(settings.learnsEmbeddings)
  }

  // MARK: - Keys

  @Test(arguments: FineTuneRecipe.names) func aPrintedRecipeReadsBackTheSame(name: String) throws {
    let config = try FineTuneConfig.recipe(name)
    let yaml = try config.yaml()
    let again = try FineTuneConfig(recipe: yaml, source: "printed.yaml")
    #expect(again == config && again.settings == config.settings)
    #expect(yaml.contains("schedule: ") && yaml.contains("epochs: \(config.epochs)\n"))
  }

  @Test func theClassifiersRateFollowsUnlessGiven() throws {
    var config = try FineTuneConfig.recipe("imagenet")
    config.lr = 0.01
    #expect(config.settings.classifierRate == 0.01)
    config.lrClassifier = 0.5
    #expect(config.settings.backboneRate == 0.01 && config.settings.classifierRate == 0.5)
  }

  @Test func aRateBelowTheEndOfTheCosineIsSaid() throws {
    var config = try FineTuneConfig.recipe("deit")
    #expect(config.settings.warning == nil)
    config.batchSize = 8
    // 2.5e-4 · 8 / 256
    #expect(
      config.settings.warning
        == "--min-lr 1e-05 is not scaled to the batch: the learning rate for a batch of 8 is 7.8125e-06, and does not fall. "
        + "Give a lower --min-lr, or a higher --lr.")
    let settings = config.settings
    #expect(
      settings.rate(settings.backboneRate, epoch: 149) == settings.rate(settings.backboneRate, epoch: 5))
    config.minLR = 1e-6
    #expect(config.settings.warning == nil)
    #expect(try FineTuneConfig.recipe(FineTuneRecipe.standard).settings.warning == nil)
  }

  @Test(arguments: FineTuneRecipe.names) func theOptionsOfAnotherRunAreNamed(recipe: String) throws {
    let config = try FineTuneConfig.recipe(recipe)
    let identity = try config.identity(batchSize: 8)
    #expect(try identity.differences(identity.text) == [])
    var other = config
    other.testEvery = 1
    #expect(try other.identity(batchSize: 8).hash == identity.hash)
    (other.lr, other.seed) = (0.5, 2)
    let theirs = try other.identity(batchSize: 16)
    #expect(theirs.hash != identity.hash)
    #expect(
      try identity.differences(theirs.text) == [
        "batch-size is 16 there and 8 here", "lr is 0.5 there and \(config.lr) here",
        "seed is 2 there and 1 here",
      ])
  }

  @Test func anotherLengthKeepsThePlacesInTheWhole() throws {
    let short = try FineTuneConfig.recipe("inaturalist").stretched(to: 10)
    #expect(short.epochs == 10 && short.schedule == .milestones([7, 9]))
    let transformer = try FineTuneConfig.recipe("deit").stretched(to: 30)
    #expect(transformer.warmupEpochs == 1 && transformer.schedule == .cosine)
    try transformer.validate()
  }

  @Test func valuesOutOfRangeAreNamed() throws {
    let cases: [([String], String)] = [
      (["--layer-decay", "0"], "--layer-decay 0.0: above 0 and at most 1."),
      (["--drop-path", "1"], "--drop-path 1.0: 0 to below 1."),
      (["--label-smoothing", "1"], "--label-smoothing 1.0: 0 to below 1."),
      (["--erasing", "1.5"], "--erasing 1.5: 0 to 1."),
      (["--mixup", "-1"], "--mixup -1.0: 0 to 1000."),
      (["--crop-scale", "0"], "--crop-scale 0.0: a share of the image, above 0 and at most 1."),
      (["--repeats", "0"], "--repeats 0: 1 to 64."),
      (["--min-lr", "-1"], "--min-lr -1.0: a finite number, at least 0."),
      (["--warmup-epochs", "inf"], "--warmup-epochs inf: a finite number, at least 0."),
      (["--warmup-epochs", "50"], "--warmup-epochs 50.0: must be fewer than the 50 epochs."),
      (
        ["--schedule", "0.9x100"],
        "--schedule 0.9x100: a factor every so many steps is for pretrain; give cosine, or epochs such as 120,160."
      ),
    ]
    for (arguments, message) in cases {
      #expect(throws: UsageError(message)) {
        try KeyArguments(arguments, keys: FineTuneConfig.keys)
          .applied(to: FineTuneConfig.recipe(FineTuneRecipe.standard)).validate()
      }
    }
  }

  @Test func optionsWithoutUseAndUnknownPoliciesAreRefused() throws {
    func use(_ arguments: [String]) throws {
      let given = try KeyArguments(arguments, keys: FineTuneConfig.keys)
      try given.checkUse(in: [given.applied(to: FineTuneConfig.recipe(FineTuneRecipe.standard))])
    }
    #expect(
      throws: UsageError("--mix-prob 0.5: neither --mixup nor --cutmix is given. Leave it out.")
    ) { try use(["--mix-prob", "0.5"]) }
    #expect(
      throws: UsageError(
        "--mix-switch 0.3: only of --mixup and --cutmix together one is chosen. Leave it out.")
    ) { try use(["--mix-switch", "0.3", "--mixup", "0.8"]) }
    try use(["--mix-switch", "0.3", "--mixup", "0.8", "--cutmix", "1"])
    #expect(
      throws: UsageError("--momentum 0.8: the optimizer adamw has no momentum. Leave it out.")
    ) { try use(["--optimizer", "adamw", "--momentum", "0.8"]) }
    let error = #expect(throws: KeyArguments.Malformed.self) { try use(["--rand-augment", "rand-m9"]) }
    #expect(
      error?.message
        == "The value 'rand-m9' is invalid for '--rand-augment <policy>': give timm's form with operations that grow with "
        + "the magnitude, as rand-m9-mstd0.5-inc1.")
  }

  @Test func aRecipeFileMayHaveAPolicy() throws {
    let config = try FineTuneConfig(
      recipe: "rand-augment: rand-m5-n3-inc1\nschedule: [3, 5]\nlr-classifier: 2\n", source: "mine.yaml")
    #expect(config.randAugment == RandAugment(layers: 3, magnitude: 5, deviation: 0))
    #expect(config.schedule == .milestones([3, 5]) && config.lrClassifier == 2)
    #expect(throws: UsageError.self) {
      try FineTuneConfig(recipe: "rand-augment: wild\n", source: "mine.yaml")
    }
    #expect(throws: UsageError.self) { try FineTuneConfig(recipe: "mixupp: 1\n", source: "mine.yaml") }
  }
}
