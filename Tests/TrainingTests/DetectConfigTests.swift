import Files
import Foundation
import Models
import TestSupport
import Testing
@testable import Training

@Suite struct DetectConfigTests {
  // MARK: - The recipes of the paper

  /// Updates, falls of the rate, warm-up, batch, rate, sizes: a row for each published recipe.
  struct Row: Sendable {
    let name: String
    let detector: DetectorSpec.Detector
    let masks: Bool
    let keypoints: Bool
    let steps: Int
    let decays: [Int]
    let warmUp: Int
    let batch: Int
    let rate: Double
    let shortSides: ClosedRange<Int>
    let maxSide: Int
    let test: [Int]
    let proposals: [Int]
    let metric: String
  }

  static let rows: [Row] = [
    row("voc-c4", .c4, 24_000, [18_000, 22_000], 100, metric: "voc07"),
    row("voc07-c4", .c4, 9000, [6750, 8280], 100, metric: "voc07"),
    row("voc-dc5", .dc5, 24_000, [18_000, 22_000], 100, metric: "voc07"),
    row("coco-c4", .c4, 90_000, [60_000, 80_000], 1000, masks: true, shortSides: 640...800),
    row("coco-c4-2x", .c4, 180_000, [120_000, 160_000], 1000, masks: true, shortSides: 640...800),
    row(
      "coco-fpn", .fpn, 90_000, [60_000, 80_000], 1000, masks: true, shortSides: 640...800,
      proposals: [2000, 1000, 1000, 1000]),
    row(
      "coco-keypoints", .fpn, 180_000, [120_000, 160_000], 1000, keypoints: true, shortSides: 640...800,
      proposals: [2000, 1500, 1000, 1000]),
    row(
      "lvis-fpn", .fpn, 90_000, [60_000, 80_000], 1000, masks: true, shortSides: 640...800,
      proposals: [2000, 1000, 1000, 1000], metric: "lvis"),
    row(
      "cityscapes-fpn", .fpn, 24_000, [18_000], 1000, masks: true, batch: 8, rate: 0.01,
      shortSides: 800...1024, maxSide: 2048, test: [1024, 2048], proposals: [2000, 1000, 1000, 1000],
      metric: "cityscapes"),
  ]

  static func row(
    _ name: String, _ detector: DetectorSpec.Detector, _ steps: Int, _ decays: [Int], _ warmUp: Int,
    masks: Bool = false, keypoints: Bool = false, batch: Int = 16, rate: Double = 0.02,
    shortSides: ClosedRange<Int> = 480...800, maxSide: Int = 1333, test: [Int] = [800, 1333],
    proposals: [Int] = [12_000, 2000, 6000, 1000], metric: String = "coco"
  ) -> Row {
    Row(
      name: name, detector: detector, masks: masks, keypoints: keypoints, steps: steps, decays: decays,
      warmUp: warmUp, batch: batch, rate: rate, shortSides: shortSides, maxSide: maxSide, test: test,
      proposals: proposals, metric: metric)
  }

  @Test(arguments: rows) func aRecipeHasTheNumbersOfThePaperAndItsConfigurations(row: Row) throws {
    let config = try DetectConfig.recipe(row.name)
    try config.validate()
    #expect(config.detector == row.detector && config.arch == .resnet50)
    #expect(config.masks == row.masks && config.keypoints == row.keypoints)
    #expect(config.steps == row.steps && config.decayAt.all == row.decays && config.gamma == 0.1)
    #expect(config.warmupSteps == row.warmUp && config.warmupFactor == 0.001)
    #expect(config.batchSize == row.batch && config.lr == row.rate)
    #expect(config.momentum == 0.9 && config.wd == 1e-4)
    let sides = Array(stride(from: row.shortSides.lowerBound, through: row.shortSides.upperBound, by: 32))
    #expect(config.shortSides.all == sides && config.maxSide == row.maxSide)
    #expect([config.testShortSide, config.testMaxSide] == row.test && config.flip == 0.5)
    #expect(
      [config.rpnPreTrain, config.rpnPostTrain, config.rpnPreTest, config.rpnPostTest] == row.proposals)
    #expect(config.rpnBatch == 256 && config.roiBatch == 512)
    #expect(config.norm == .naiveSync && config.freezeAt == 0 && config.preciseBN == 200)
    #expect(config.metric.rawValue == row.metric)
    // The detector that it makes has the defaults of the published configurations.
    var published = DetectorSpec(
      row.detector, arch: .resnet50, classes: 20, masks: row.masks, keypoints: row.keypoints ? 17 : 0)
    published.norm = .naiveSync
    if row.name == "lvis-fpn" {
      (published.test.scoreThreshold, published.test.detectionsPerImage) = (0.0001, 300)
    }
    #expect(config.spec(classes: 20, keypoints: 17) == published)
  }

  @Test func lvisShowsRareClassesMoreOften() throws {
    #expect(try DetectConfig.recipe("lvis-fpn").repeatThreshold == 0.001)
    #expect(try DetectConfig.recipe("coco-fpn").repeatThreshold == 0)
  }

  /// A line of a published recipe without its source would be an invented number.
  @Test(arguments: rows.map(\.name)) func everyLineOfAPublishedRecipeNamesItsSource(name: String) throws {
    let text = try #require(DetectionRecipe.all.first { $0.name == name }).text
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(lines.count > 20)
    for line in lines { #expect(line.contains(#/  # [PCDX]/#), "\(line)") }
  }

  @Test func theSmallRecipesAreValid() throws {
    for name in ["small-c4", "small-fpn"] {
      let config = try DetectConfig.recipe(name)
      try config.validate()
      #expect(config.arch == .resnet18 && config.batchSize == 2)
    }
  }

  // MARK: - Keys

  @Test func keysHaveNamesAndHelpOfTheirOwn() {
    let keys = DetectConfig.keys
    #expect(keys.count > 50 && Set(keys.map(\.name)).count == keys.count)
    for key in keys {
      #expect(key.name.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil, "\(key.name)")
      #expect(key.help.hasSuffix("."), "\(key.name): \(key.help)")
      #expect(key.problem(in: DetectConfig()) == nil && key.isDefault(in: DetectConfig()), "\(key.name)")
      #expect(key.isFlag || key.choices != nil || key.placeholder != nil, "\(key.name)")
    }
  }

  @Test func everyKeySurvivesJSONAndYAML() throws {
    var config = try DetectConfig.recipe("coco-keypoints")
    (config.initFile, config.seed, config.workers) = ("a: b", 9, 3)
    (config.decayAt, config.anchorSizes) = ([3, 7], [8, 16.5, 32, 64, 128])
    #expect(try JSONDecoder().decode(DetectConfig.self, from: JSONEncoder().encode(config)) == config)
    #expect(try DetectConfig(yaml: config.yaml(), source: "printed") == config)
    #expect(try config.yaml().contains("decay-at: [3, 7]\n"))
  }

  @Test func optionsOfTheCommandLineOverrideTheRecipe() throws {
    let arguments = try KeyArguments(
      ["detect", "--short-sides", "96,128", "--masks", "--decay-at=5,9", "x"], keys: DetectConfig.keys)
    #expect(arguments.rest == ["detect", "x"])
    let config = try arguments.applied(to: DetectConfig.recipe("small-c4"))
    #expect(config.shortSides.all == [96, 128] && config.masks && config.decayAt.all == [5, 9])
  }

  @Test func aKeyWithoutAUseIsRefused() throws {
    let arguments = try KeyArguments(["--fpn-channels", "64"], keys: DetectConfig.keys)
    let config = try arguments.applied(to: DetectConfig.recipe("small-c4"))
    #expect(throws: UsageError("--fpn-channels 64: only --detector fpn has a pyramid. Leave it out.")) {
      try arguments.checkUse(in: [config])
    }
  }

  @Test func valuesOutOfTheirRangeAreRefusedByName() throws {
    func refusal(_ change: (inout DetectConfig) -> Void, ranks: Int = 1) throws -> String {
      var config = try DetectConfig.recipe("small-c4")
      change(&config)
      return try failure(UsageError.self) { try config.validate(ranks: ranks) }.description
    }
    #expect(try refusal { $0.decayAt = [9, 3] } == "--decay-at 9,3: rising numbers of 1 or more.")
    #expect(try refusal { $0.shortSides = [] } == "--short-sides : one or more of 1 to 16,384.")
    #expect(
      try refusal({ _ in }, ranks: 3)
        == "--batch-size 2: the batch does not divide by 3 ranks. Give a multiple of 3.")
    #expect(
      try refusal {
        $0.masks = true
        $0.keypoints = true
      } == "--masks and --keypoints are not learned together: give one of them.")
    #expect(try refusal { $0.arch = .resnet8 }.hasPrefix("--arch resnet8: "))
  }

  @Test func anUnknownKeyOrRecipeNamesTheNearest() {
    #expect(
      throws: UsageError(
        "a.yaml: there is no key `roibatch`. Did you mean `roi-batch`? `moco detect --print-config` shows all keys."
      )
    ) { try DetectConfig(yaml: "roibatch: 1", source: "a.yaml") }
    let error = #expect(throws: UsageError.self) { try DetectConfig.recipe("voc-c5") }
    #expect(
      error?.description.hasPrefix("--recipe voc-c5: there is no such recipe. Did you mean `voc-") == true)
  }

  // MARK: - Batch and rate

  @Test func batchAndRateAreShownBesideTheRecipesWhereTheyDiffer() throws {
    let recipe = try DetectConfig.recipe("voc-c4")
    var config = recipe
    #expect(config.comparison(with: recipe) == nil)
    config.batchSize = 8
    let risky = try #require(config.comparison(with: recipe))
    #expect(
      risky.isRisky
        && risky.text
          == "batch 8 at rate 0.02; the recipe has batch 16 at rate 0.02. In proportion to the batch the rate "
          + "would be 0.01: give --scale-lr, or --lr."
    )
    let scaled = config.scalingRate(from: recipe)
    #expect(scaled.lr == 0.01)
    let safe = try #require(scaled.comparison(with: recipe))
    #expect(
      !safe.isRisky
        && safe.text == "batch 8 at rate 0.01; the recipe has batch 16 at rate 0.02, the same for each image")
  }

  @Test func lengthMachineAndTestsDoNotMakeAnotherRun() throws {
    let config = try DetectConfig.recipe("small-c4")
    var other = config
    (other.steps, other.workers, other.testEvery, other.metric) = (9, 7, 3, .voc)
    #expect(config.differences(from: other).isEmpty)
    other.roiBatch = 3
    #expect(config.differences(from: other) == ["roi-batch is 24 there and 3 here"])
  }
}
