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

/// The keys of a run, and a configuration through files and back.
@Suite struct RunKeyTests {
  @Test func keysHaveNamesAndHelpOfTheirOwn() {
    let keys = RunConfig.keys
    #expect(Set(keys.map(\.name)).count == keys.count)
    for key in keys {
      #expect(key.name.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil, "\(key.name)")
      #expect(key.help.hasSuffix(".") && key.help.first?.isUppercase != false, "\(key.name): \(key.help)")
      #expect(key.problem(in: RunConfig()) == nil && key.isDefault(in: RunConfig()), "\(key.name)")
      // A whole word stands for a choice; other values have a placeholder of their own.
      #expect(key.isFlag || key.choices != nil || key.placeholder != nil, "\(key.name)")
    }
  }

  /// As a run's file of weights states it, and as YAML.
  @Test func everyKeySurvivesJSONAndYAML() throws {
    var config = try RunConfig.recipe("v3-vit-small")
    (config.heads, config.steps, config.knnTrain, config.maxBad) = (6, 5, "a: b", Fraction(value: 0.01))
    config.schedule = .step(factor: 0.9, every: 62_500)
    #expect(try JSONDecoder().decode(RunConfig.self, from: JSONEncoder().encode(config)) == config)
    #expect(try RunConfig(yaml: config.yaml(), source: "printed") == config)
  }

  @Test func aRecipeWithAKeyThatItsMethodDoesNotUseIsRefused() {
    #expect(
      throws: UsageError("r.yaml: `moco-k`: --method simclr does not use it. Leave it out.")
    ) { try RunConfig(recipe: "method: simclr\nmoco-k: 100", source: "r.yaml") }
    #expect(
      throws: UsageError("r.yaml: `stem`: only residual networks have a stem. Leave it out.")
    ) { try RunConfig(recipe: "arch: vit_small\nstem: cifar", source: "r.yaml") }
  }

  /// A run of an earlier version may hold such a key, and goes on.
  @Test func theConfigurationOfARunMayHoldUnusedKeys() throws {
    #expect(try RunConfig(yaml: "method: simclr\nmoco-k: 100", source: "config.yaml").mocoK == 100)
  }

  /// An inherited key without a use is printed too.
  @Test func aPrintedChangeOfARecipeIsARecipe() throws {
    var config = try RunConfig.recipe("cifar")
    config.mechanism = .endToEnd
    #expect(try RunConfig(recipe: config.yaml(), source: "printed") == config)
  }

  /// The file of weights that a run writes states enough of its network.
  @Test(arguments: AugmentationPreset.allCases)
  func theEncoderFollowsFromTheFilesOfARun(views: AugmentationPreset) throws {
    var config = try RunConfig.recipe("cifar")
    (config.arch, config.views, config.imageSize) = (.resnet8, views, 48)
    let path = temporaryFolder() + "/weights.safetensors"
    let method = config.makeMethod(images: 1, on: .cpu, ranks: .alone)
    try Safetensors.write(
      method.state.map { ($0.name, $0.tensor.detached()) }, metadata: config.checkpointMetadata(), to: path)
    #expect(try Checkpoint.load(path).encoderSpec == config.encoderSpec)
  }

  @Test(arguments: ["mae", "moco-mae"])
  func theEncoderOfMaskedImagesFollowsFromTheFilesOfARun(recipe: String) throws {
    var config = try RunConfig.recipe(recipe)
    (config.arch, config.imageSize, config.heads, config.mocoK) = (.vitMini, 32, 3, 12)
    let path = temporaryFolder() + "/weights.safetensors"
    let method = config.makeMethod(images: 1, on: .cpu, ranks: .alone)
    try Safetensors.write(
      method.state.map { ($0.name, $0.tensor.detached()) }, metadata: config.checkpointMetadata(), to: path)
    let found = try Checkpoint.load(path)
    #expect(try found.encoderSpec == config.encoderSpec)
    #expect(try found.encoderSpec.pooling == .average)
    let positions = try #require(found.encoder(.query)["pos_embed"])
    let own = method.encoderQ.state.first { $0.name == "pos_embed" }?.tensor
    #expect(positions.array(of: Float.self) == own?.array(of: Float.self))
  }

  /// What `--print-config` prints has all keys.
  @Test(arguments: Recipe.names)
  func aPrintedRecipeIsARecipe(name: String) throws {
    let config = try RunConfig.recipe(name)
    #expect(try RunConfig(recipe: config.yaml(), source: "printed") == config)
  }
}
