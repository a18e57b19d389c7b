import Files
import Foundation
import Methods
import Models
import TestSupport
import Testing
@testable import Training

@Suite struct SegmentConfigTests {
  // MARK: - Recipes

  /// He et al. 2020, appendix A.
  @Test(arguments: [("voc-fcn", 513, 0.003, 30_000), ("cityscapes-fcn", 769, 0.01, 90_000)])
  func aRecipeHasTheNumbersOfThePaper(name: String, crop: Int, rate: Double, steps: Int) throws {
    let config = try SegmentConfig.recipe(name)
    try config.validate()
    #expect(config.arch == .resnet50 && config.headChannels == 256 && config.headDilation == 6)
    #expect(config.scaleRange.all == [0.5, 2] && config.cropSize == crop && config.flip == 0.5)
    #expect(config.batchSize == 16 && config.lr == rate && config.wd == 1e-4 && config.momentum == 0.9)
    #expect(config.steps == steps && config.decayAt.all == [steps * 7 / 10, steps * 9 / 10])
    #expect(config.gamma == 0.1)
    #expect(config.schedule.rate(step: 0) == rate)
    // Two multiplications are rounded.
    #expect(abs(config.schedule.rate(step: steps - 1) / rate - 0.01) < 1e-12)
    // The network that it makes has the defaults of the published one.
    var published = SegmenterSpec(arch: .resnet50, classes: 21)
    published.norm = .sync
    #expect(config.spec(classes: 21) == published)
  }

  /// A line of a published recipe without its source would be an invented number.
  @Test(arguments: ["voc-fcn", "cityscapes-fcn"])
  func everyLineOfAPublishedRecipeNamesItsSource(name: String) throws {
    let text = try #require(SegmentationRecipe.all.first { $0.name == name }).text
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(lines.count > 15)
    for line in lines { #expect(line.contains(#/  # [PSX]/#), "\(line)") }
  }

  @Test func theSmallRecipeIsValid() throws {
    let config = try SegmentConfig.recipe("small-fcn")
    try config.validate()
    #expect(config.arch == .resnet18 && config.norm == .plain)
  }

  // MARK: - Keys

  @Test func keysHaveNamesAndHelpOfTheirOwn() {
    let keys = SegmentConfig.keys
    #expect(keys.count > 30 && Set(keys.map(\.name)).count == keys.count)
    #expect(keys.prefix(4).map(\.name) == ["init", "init-digest", "carried-from", "arch"])
    for key in keys {
      #expect(key.name.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil, "\(key.name)")
      #expect(key.help.hasSuffix("."), "\(key.name): \(key.help)")
      #expect(key.problem(in: SegmentConfig()) == nil && key.isDefault(in: SegmentConfig()), "\(key.name)")
      #expect(key.isFlag || key.choices != nil || key.placeholder != nil, "\(key.name)")
    }
  }

  /// The help lists them, and no other is allowed.
  @Test func theNetworksOfTheHelpAreThoseThatCanBe() throws {
    let choices = try #require(SegmentConfig.keys.first { $0.name == "arch" }?.choices)
    #expect(choices.contains("resnet50") && !choices.contains("vit_small") && !choices.contains("resnet8"))
    for arch in Architecture.allCases {
      var config = try SegmentConfig.recipe("small-fcn")
      config.arch = arch
      if choices.contains(arch.rawValue) {
        try config.validate()
      } else {
        let error = try failure(UsageError.self) { try config.validate() }
        #expect(error.description.hasPrefix("--arch \(arch.rawValue): segmentation needs"))
      }
    }
  }

  @Test func everyKeySurvivesJSONAndYAML() throws {
    var config = try SegmentConfig.recipe("voc-fcn")
    (config.initFile, config.seed, config.workers, config.tileSize) = ("a: b", 9, 3, 513)
    (config.scaleRange, config.alignCorners) = ([0.25, 1.5], true)
    #expect(try JSONDecoder().decode(SegmentConfig.self, from: JSONEncoder().encode(config)) == config)
    #expect(try SegmentConfig(yaml: config.yaml(), source: "printed") == config)
  }

  @Test func valuesOutOfTheirRangeAreRefusedByName() throws {
    func refusal(_ change: (inout SegmentConfig) -> Void, ranks: Int = 1) throws -> String {
      var config = try SegmentConfig.recipe("small-fcn")
      change(&config)
      return try failure(UsageError.self) { try config.validate(ranks: ranks) }.description
    }
    #expect(try refusal { $0.cropSize = 8 } == "--crop-size 8: 17 to 4,096.")
    #expect(
      try refusal { $0.scaleRange = [2, 0.5] }
        == "--scale-range 2.0,0.5: two factors, the smaller first, above 0 and up to 16.")
    #expect(try refusal { $0.scaleRange = [1] }.hasPrefix("--scale-range 1.0: two factors"))
    #expect(try refusal { $0.tileSize = 4 } == "--tile-size 4: 33 to 16,384.")
    #expect(
      try refusal({ _ in }, ranks: 3)
        == "--batch-size 8: the batch does not divide by 3 ranks. Give a multiple of 3.")
    #expect(
      try refusal { $0.arch = .vitSmall }
        == "--arch vit_small: segmentation needs the four stages of resnet18 to resnet152.")
  }

  @Test func anUnknownKeyOrRecipeNamesTheNearest() {
    #expect(
      throws: UsageError(
        "a.yaml: there is no key `cropsize`. Did you mean `crop-size`? `moco segment --print-config` shows all keys."
      )
    ) { try SegmentConfig(yaml: "cropsize: 1", source: "a.yaml") }
    let error = #expect(throws: UsageError.self) { try SegmentConfig.recipe("voc-fnc") }
    #expect(
      error?.description.hasPrefix("--recipe voc-fnc: there is no such recipe. Did you mean `voc-fcn`?")
        == true)
  }

  @Test func lengthMachineTilesAndTestsDoNotMakeAnotherRun() throws {
    let config = try SegmentConfig.recipe("small-fcn")
    var other = config
    (other.steps, other.workers, other.testEvery, other.tileSize) = (9, 7, 3, 257)
    #expect(config.differences(from: other).isEmpty)
    other.cropSize = 65
    #expect(config.differences(from: other) == ["crop-size is 225 there and 65 here"])
  }

  /// In segmentation weight decay holds for all weights, in detection not for those of normalisations.
  @Test func theHelpSaysWhatDecays() {
    func help(_ keys: [any AnyKey]) -> String? { keys.first { $0.name == "wd" }?.help }
    #expect(help(SegmentConfig.keys) == "Weight decay, of all weights and biases.")
    #expect(help(DetectConfig.keys) == "Weight decay, of all but normalisations' weights and biases.")
  }
}
