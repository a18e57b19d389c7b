import Data
import Files
import Foundation
import Methods
import Models
import Testing
import Torch
@testable import Training

@Suite struct RecipeTests {
  @Test(arguments: Recipe.names)
  func everyRecipeIsValidAndSurvivesPrinting(recipe: String) throws {
    let config = try RunConfig.recipe(recipe)
    try config.validate()
    #expect(try RunConfig(yaml: config.yaml(), source: "printed") == config)
  }

  @Test func theRecipesSayWhatThePapersSay() throws {
    let v1 = try RunConfig.recipe("v1")
    #expect(v1.mocoK == 65536 && v1.mocoM == 0.999 && v1.mocoT == 0.07 && !v1.mlp)
    #expect(v1.schedule == .milestones([120, 160]) && v1.lr == 0.03 && v1.wd == 1e-4 && v1.batchSize == 256)
    let v2 = try RunConfig.recipe("v2")
    #expect(v2.mocoT == 0.2 && v2.mlp && v2.schedule == .cosine && v2.views == .v2)
    let cifar = try RunConfig.recipe("cifar")
    #expect(cifar.mocoK == 4096 && cifar.mocoM == 0.99 && cifar.mocoT == 0.1 && cifar.bnSplits == 8)
    #expect(cifar.batchSize == 512 && cifar.lr == 0.06 && cifar.wd == 5e-4 && cifar.stem == .cifar)
  }

  @Test func theRecipeOfLocalAggregationSaysWhatItsCodeSays() throws {
    let config = try RunConfig.recipe("local-agg")
    #expect(config.mocoDim == 128 && config.mocoT == 0.07 && config.clusterings == 10)
    #expect(config.instDiscEpochs == 10 && config.batchSize == 128 && config.lr == 0.03 && config.wd == 1e-4)
    #expect(config.epochs == 200 && config.schedule == .milestones([160, 190]))
    #expect(
      config.networkSummary(images: 50_000).hasSuffix(
        "memory bank, background 166, 10 × 1162 clusters, τ 0.07, instance discrimination for 10 epochs"))
  }

  @Test func everyMethodHasARecipe() throws {
    let methods = try Recipe.names.map { try RunConfig.recipe($0).method }
    #expect(Set(methods) == Set(MethodName.allCases))
    for method in MethodName.allCases.map(\.rawValue) where !method.hasPrefix("moco") {
      #expect(try RunConfig.recipe(method).method.rawValue == method)
    }
  }

  @Test func theRecipeOfDenseCLSaysWhatItsConfigurationSays() throws {
    let dense = try RunConfig.recipe("densecl"), v2 = try RunConfig.recipe("v2")
    #expect(dense.denseLambda == 0.5 && dense.denseWarmup == 0 && dense.views == .v2)
    #expect(dense.mocoK == 65536 && dense.mocoM == 0.999 && dense.mocoT == 0.2 && dense.mocoDim == 128)
    #expect(dense.epochs == 200 && dense.lr == 0.03 && dense.batchSize == 256 && dense.wd == 1e-4)
    #expect(dense.schedule == .cosine && dense.bnSplits == 8)
    #expect(dense.kind.head(dense) == v2.kind.head(v2))
  }

  @Test func theRecipesOfV3SayWhatThePaperSays() throws {
    func projector(_ layers: Int) -> Head {
      .normalizedMLP(layers: layers, hidden: 4096, outputs: 256, endsNormalized: true)
    }
    let resNet = try RunConfig.recipe("v3-resnet50")
    #expect(resNet.method == "moco-v3" && resNet.mocoT == 1 && resNet.kind.head(resNet) == projector(2))
    #expect(
      resNet.optimizer == .lars && resNet.lr == 0.6 * 16 && resNet.wd == 1e-6 && resNet.batchSize == 4096)
    #expect(resNet.epochs == 100 && resNet.warmupEpochs == 10 && resNet.mocoM == 0.99 && resNet.mocoMCos)
    for (name, arch) in [("v3-vit-small", "vit_small"), ("v3-vit-base", "vit_base")] {
      let transformer = try RunConfig.recipe(name)
      #expect(transformer.arch.rawValue == arch && transformer.mocoT == 0.2)
      #expect(transformer.kind.head(transformer) == projector(3))
      #expect(
        transformer.optimizer == .adamw && abs(transformer.lr - 1.5e-4 * 16) < 1e-15 && transformer.wd == 0.1)
      #expect(transformer.epochs == 300 && transformer.warmupEpochs == 40 && transformer.cropScale == 0.08)
      #expect(transformer.mocoM == 0.99 && transformer.mocoMCos && transformer.stopGradConv1)
    }
  }

  @Test func theRecipesOfMaskedImagesSayWhatThePapersSay() throws {
    let mae = try RunConfig.recipe("mae")
    #expect(mae.arch == .vitBase && mae.maskRatio == 0.75 && mae.normPix && mae.kind.head(mae) == nil)
    #expect(mae.decoderDim == 512 && mae.decoderDepth == 8 && mae.decoderHeads == 16)
    #expect(mae.optimizer == .adamw && abs(mae.lr - 1.5e-4 * 16) < 1e-15 && mae.wd == 0.05)
    #expect(mae.epochs == 800 && mae.warmupEpochs == 40 && mae.batchSize == 4096 && !mae.stopGradConv1)
    let view = mae.transform.views
    #expect(view.count == 1 && view[0].interpolation == .bicubic)
    #expect(view[0].steps == [.crop(scale: 0.2...1), .flip(probability: 0.5)])
    let masked = try RunConfig.recipe("moco-mae")
    #expect(masked.arch == .vitSmall && masked.mocoM == 0.996 && !masked.mocoMCos && masked.mocoT == 0.2)
    #expect(masked.kind.head(masked) == .biasedMLP(hidden: 1536, outputs: 256) && masked.mocoK == 65536)
    #expect(masked.transform.views[0] == view[0])
    #expect(masked.transform.views[1].steps == AugmentationPreset.v2.transform(imageSize: 224).views[1].steps)
    for config in [mae, masked] {
      #expect(config.encoderSpec.pooling == .average)
      let optimizer = try #require(config.makeOptimizer([.zeros([2, 2])]) as? AdamW)
      #expect(optimizer.beta1 == 0.9 && optimizer.beta2 == 0.95 && !optimizer.decaysVectors)
      // Half of the 40 epochs of warm-up, and of the 760 after it; 312 steps an epoch.
      func rate(_ step: Int) -> Double { config.hyperparameters(step: step, stepsPerEpoch: 312).learningRate }
      #expect(rate(0) == 0 && abs(rate(20 * 312) - 0.0012) < 1e-15 && abs(rate(420 * 312) - 0.0012) < 1e-15)
      #expect(rate(20 * 312) < rate(20 * 312 + 1))
    }
  }

  /// 100 epochs of 10 steps, 10 of warm-up.
  @Test func theLearningRateOfV3ChangesInEveryStep() throws {
    let config = try RunConfig.recipe("v3-resnet50")
    func at(_ step: Int) -> StepHyperparameters { config.hyperparameters(step: step, stepsPerEpoch: 10) }
    #expect(at(0) == StepHyperparameters(learningRate: 0, momentum: 0.99))
    #expect(abs(at(25).learningRate - 2.4) < 1e-12 && abs(at(100).learningRate - 9.6) < 1e-12)
    #expect(abs(at(550).learningRate - 4.8) < 1e-12)  // half of the 90 epochs after the warm-up
    #expect(abs(at(500).momentum - 0.995) < 1e-15 && at(999).momentum < 1)
    let v2 = try RunConfig.recipe("v2")
    #expect(
      v2.hyperparameters(step: 19, stepsPerEpoch: 10) == v2.hyperparameters(step: 10, stepsPerEpoch: 10))
  }

  @Test func numbersArePrintedAsPeopleWriteThem() throws {
    let yaml = try RunConfig.recipe("cifar").yaml()
    #expect(yaml.contains("moco-t: 0.1\n") && yaml.contains("wd: 0.0005\n") && yaml.contains("epochs: 200\n"))
    #expect(try RunConfig.recipe("v1").yaml().contains("schedule: [120, 160]\n"))
  }

  /// Dictionary, key, momentum, temperature, groups of batch normalisation and head.
  @Test func theRecipesAreTheMethodsOfThePapers() throws {
    let cifar = try RunConfig.recipe("cifar")
    #expect(cifar.mocoT == 0.1 && cifar.bnSplits == 8 && cifar.shuffleBN && !cifar.symmetric)
    #expect(cifar.mocoK == 4096 && cifar.mocoDim == 128 && cifar.mocoM == 0.99)
    #expect(cifar.kind.head(cifar) == .linear(outputs: 128))
    for (name, temperature, head) in [
      ("v1", 0.07, Head.linear(outputs: 128)), ("v2", 0.2, .mlp(outputs: 128)),
    ] {
      let recipe = try RunConfig.recipe(name)
      #expect(recipe.mocoT == temperature && recipe.shuffleBN && !recipe.symmetric)
      #expect(recipe.mocoK == 65536 && recipe.mocoDim == 128 && recipe.mocoM == 0.999)
      #expect(recipe.kind.head(recipe) == head)
    }
  }
}
