import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Evaluation

/// Groups of parameters and rates of drop path against timm 1.0.31; see Fixtures/make_layer_decay.py.
@Suite struct LayerDecayTests {
  private struct Fixture: Decodable {
    struct Group: Decodable {
      let scale: Double
      let isDecayed: Bool
      let names: [String]
    }
    let decays: [String: Double]
    let rate: Double
    let groups: [String: [Group]]
    let dropPath: [String: [[Double]]]
  }

  private let fixture: Fixture

  init() throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(
      path: "Fixtures/layer_decay.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    fixture = try decoder.decode(Fixture.self, from: Data(contentsOf: url))
  }

  private func makeNetwork(_ arch: Architecture) -> ImageEncoder {
    EncoderSpec(arch: arch, head: .linear(outputs: 4)).makeEncoder(
      freezesProjection: false, fixesPositions: false, using: .shapesOnly)
  }

  @Test(arguments: [(Architecture.vitSmall, "vit_small"), (.resnet50, "resnet50")])
  func groupsAreTimms(arch: Architecture, name: String) throws {
    let network = makeNetwork(arch)
    let decay = try #require(fixture.decays[name])
    let expected = try #require(fixture.groups[name])
    let found = ParameterGroup.all(of: network, layerDecay: decay, decaysAll: false)
    #expect(found.count == expected.count)
    for group in expected {
      let own = try #require(found.first { Set($0.names) == Set(group.names) }, "\(group.names)")
      // A power by another routine.
      #expect(abs(own.rateScale / group.scale - 1) < 1e-12 && own.isDecayed == group.isDecayed)
    }
    #expect(found.flatMap(\.names).count == network.namedParameters.count)
    #expect(found.filter(\.isClassifier).flatMap(\.names).count == 2)
  }

  @Test func ratesOfDropPathAreTimms() throws {
    for (arch, name) in [(Architecture.vitSmall, "vit_small"), (.resnet50, "resnet50")] {
      let network = makeNetwork(arch)
      network.setDropPath(rate: fixture.rate)
      let found = network.modules.compactMap { $0 as? any StochasticDepthBlock }
        .map { $0.dropPaths.map(\.rate) }
      let expected = try #require(fixture.dropPath[name])
      #expect(found.count == expected.count)
      for (own, theirs) in zip(found, expected) {
        // timm's come from float32 in a transformer, whose numbers near 0.2 are 1.5e-8 apart.
        #expect(own.count == theirs.count && zip(own, theirs).allSatisfy { abs($0 - $1) < 3e-8 })
      }
    }
  }

  @Test func equalRatesAreOneGroupOfTheBackboneAndOneOfTheClassifier() {
    let network = makeNetwork(.resnet8)
    let groups = ParameterGroup.all(of: network, layerDecay: 1, decaysAll: true)
    #expect(groups.map(\.isClassifier) == [false, true] && groups.allSatisfy { $0.rateScale == 1 })
    #expect(groups.allSatisfy { $0.isDecayed })
    #expect(groups.flatMap(\.names) == network.namedParameters.map(\.name))
    let halves = ParameterGroup.all(of: network, layerDecay: 1, decaysAll: false)
    #expect(halves.map(\.isDecayed) == [true, false, true, false])
    #expect(halves[3].names == ["fc.bias"])
  }

  @Test func blocksOfSmallNetworksCountAsLayers() {
    let groups = ParameterGroup.all(of: makeNetwork(.resnet20), layerDecay: 0.5, decaysAll: true)
    // The stem, nine blocks, the classifier.
    #expect(groups.map(\.rateScale) == (0...10).map { pow(0.5, Double(10 - $0)) })
    #expect(groups[4].names.allSatisfy { $0.hasPrefix("layer2.0.") })
  }
}

/// The rates of fine-tuning's steps.
@Suite struct FineTuneRateTests {
  @Test func aWarmUpRisesByStepsAndACosineEndsAtTheLeastRate() {
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize) = (10, 512)
    (settings.warmUpEpochs, settings.leastRate) = (2, 1e-5)
    let top = 2 * 0.1
    #expect(settings.rate(0.1, epoch: 0, progress: 0) == 0)
    #expect(abs(settings.rate(0.1, epoch: 1, progress: 0.5) - 0.75 * top) < 1e-15)
    #expect(abs(settings.rate(0.1, epoch: 2, progress: 0) - top) < 1e-15)
    // Half of the way down.
    #expect(abs(settings.rate(0.1, epoch: 6, progress: 0) - (top + 1e-5) / 2) < 1e-15)
    let last = settings.rate(0.1, epoch: 9, progress: 0.999)
    #expect(last > 1e-5 && last < 1e-5 + top * 1e-6)
    // A rate below the least one stays where it is.
    settings.leastRate = 1
    #expect(settings.rate(0.1, epoch: 7, progress: 0.3) == top)
  }

  @Test func withoutAWarmUpAnEpochHasOneRate() {
    var settings = FineTuneProtocol()
    (settings.epochs, settings.batchSize) = (10, 256)
    for epoch in 0..<10 {
      let rate = settings.rate(0.1, epoch: epoch, progress: 0.7)
      #expect(rate == settings.rate(0.1, epoch: epoch))
      #expect(rate == 0.1 * Schedule.cosine.rate(base: 1, epoch: Double(epoch), epochs: 10))
    }
    settings.schedule = .milestones([7, 9])
    #expect(abs(settings.rate(0.025, epoch: 6) - 0.025) < 1e-15)
    #expect(abs(settings.rate(0.025, epoch: 7) - 0.0025) < 1e-15)
    #expect(abs(settings.rate(0.025, epoch: 9) - 0.00025) < 1e-15)
  }
}

@Suite struct FeatureNormalizationTests {
  @Test func theFoldedClassifierGivesTheSameLogits() {
    let network = EncoderSpec.small.classifying(3)
      .makeClassifier(from: nil, on: .cpu, using: Generator(seed: 1)).normalizingFeatures()
    #expect(network.namedParameters.map(\.name).suffix(2) == ["fc.linear.weight", "fc.linear.bias"])
    let x = Tensor.normal([16, 3, 16, 16], deviation: 3, using: Generator(seed: 2))
    withNoGrad {
      for _ in 0..<5 { _ = network(x) }  // running statistics that are neither 0 nor 1
      network.train(false)
      let folded = network.foldingFeatures()
      #expect(folded.state.map(\.name).suffix(2) == ["fc.weight", "fc.bias"] && !folded.isTraining)
      let (wanted, found) = (network(x).array(of: Float.self), folded(x).array(of: Float.self))
      // Float32 in another order of operations.
      #expect(zip(wanted, found).allSatisfy { abs($0 - $1) < 1e-4 * max(1, abs($0)) })
      #expect(wanted.count == 48 && Set(wanted).count > 10)
    }
  }

  @Test func anEncoderOfAnotherScaleLearnsTheSame() {
    // Features ten times as large: behind the normalisation the same logits.
    let spec = EncoderSpec.small.classifying(3)
    let network = spec.makeClassifier(from: nil, on: .cpu, using: Generator(seed: 1)).normalizingFeatures()
    let features = Tensor.normal([16, 64], using: Generator(seed: 3))
    withNoGrad {
      let (small, large) = (network.project(features), network.project(features * 10))
      // ε is 1e-5 beside a variance of 1.
      #expect(zip(small.array(of: Float.self), large.array()).allSatisfy { abs($0 - $1) < 1e-5 })
    }
  }
}
