import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

@Suite struct DetectorWeightsTests {
  private func detector(_ kind: DetectorSpec.Detector, _ arch: Architecture = .resnet18) -> (
    spec: DetectorSpec, model: GeneralizedRCNN
  ) {
    var spec = DetectorSpec(kind, arch: arch, classes: 3)
    spec.fpn.channels = 16
    spec.boxHead.size = 32
    return (spec, GeneralizedRCNN(spec, using: Generator(seed: 1)))
  }

  private func encoder(_ arch: Architecture = .resnet18) -> [String: Tensor] {
    let encoder = EncoderSpec(arch: arch, head: .linear(outputs: 8)).makeEncoder(using: Generator(seed: 2))
    return Dictionary(uniqueKeysWithValues: encoder.state.map { ($0.name, $0.tensor) })
  }

  @Test(arguments: [DetectorSpec.Detector.c4, .dc5, .fpn])
  func everyTensorOfTheEncoderBecomesOneOfTheDetector(kind: DetectorSpec.Detector) throws {
    let (spec, model) = detector(kind)
    let tensors = encoder()
    let found = try TransferWeights(encoder: tensors, spec, state: model.state, path: "a.pth")
    #expect(found.unused == ["fc.bias", "fc.weight"])
    #expect(found.matches.count == tensors.count - 2)
    #expect(found.matches.count + found.fresh.count == model.state.count)
    found.copy(into: model.state)
    let last = kind == .c4 ? "roi_heads.res5.1.bn2.running_var" : nil
    for match in found.matches {
      let own = try #require(model.state.first { $0.name == match.name })
      let theirs = try #require(tensors[match.source])
      #expect(
        own.tensor.withUnsafeBytes { Array($0) } == theirs.withUnsafeBytes { Array($0) }, "\(match.name)")
    }
    if let last {
      #expect(found.matches.contains { $0.name == last && $0.source == "layer4.1.bn2.running_var" })
    }
  }

  @Test func theNumberOfMatchesIsSaidAndThoseWithoutByName() throws {
    let (spec, model) = detector(.c4)
    let found = try TransferWeights(encoder: encoder(), spec, state: model.state, path: "a.pth")
    let (matched, all) = (found.matches.count, model.state.count)
    #expect(
      found.notes[0]
        == "\(matched) of the detector's \(all) tensors matched in a.pth, \(matched) of them in the backbone: conv1.weight … "
        + "layer4.1.bn2.num_batches_tracked")
    #expect(found.notes[1] == "not taken from there: fc.bias, fc.weight")
    #expect(found.notes[2].hasPrefix("drawn at random: proposal_generator.rpn_head (6), "))
    #expect(found.lines.count == all + 2 && found.lines.contains("fc.weight not taken"))
  }

  @Test func aBackboneThatDoesNotMatchIsRefused() throws {
    let (spec, model) = detector(.c4)
    var tensors = encoder()
    tensors["layer2.0.conv1.weight"] = nil
    tensors["layer3.0.bn1.weight"] = Tensor.ones([3])
    let error = try failure(UsageError.self) {
      _ = try TransferWeights(encoder: tensors, spec, state: model.state, path: "a.pth")
    }
    let count = encoder().count - 2
    #expect(
      error.description
        == "a.pth: 2 of the backbone's \(count) tensors have no match there: layer2.0.conv1.weight, layer3.0.bn1.weight (3 "
        + "there, 256 here). The detector would learn from random numbers. Give weights of a resnet18, or --init random."
    )
  }

  @Test func counterOfBatchesMayBeMissing() throws {
    let (spec, model) = detector(.c4)
    let tensors = encoder().filter { !$0.key.hasSuffix("num_batches_tracked") }
    let found = try TransferWeights(encoder: tensors, spec, state: model.state, path: "a.pth")
    #expect(found.fresh.contains("backbone.bn1.num_batches_tracked"))
  }

  // MARK: - Whole files

  @Test func aRunOfAnotherNetworkIsRefusedByName() throws {
    let runs = try SmallRuns()
    let out = try runs.run(runs.config { $0.epochs = 1 })
    let (spec, model) = detector(.c4)
    let error = try failure(UsageError.self) {
      _ = try TransferWeights(InitialWeights(out), spec, state: model.state)
    }
    #expect(
      error.description
        == "\(out): it holds a resnet8, and the detector has a resnet18. Give --arch resnet8, or other weights."
    )
  }

  @Test func aDetectorOfOtherClassesGivesAllButItsHeads() throws {
    let set = try RectangleSet(images: 4)
    let out = try set.run(RectangleSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    var spec = try RectangleSet.config().spec(classes: 5)
    spec.norm = .plain
    let model = GeneralizedRCNN(spec, using: Generator(seed: 1))
    let found = try TransferWeights(InitialWeights(out), spec, state: model.state)
    #expect(
      found.fresh == [
        "roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.bias",
        "roi_heads.box_predictor.bbox_pred.weight", "roi_heads.box_predictor.bbox_pred.bias",
      ])
  }

  @Test func aRunWithoutWeightsToStartFromIsRefused() throws {
    let set = try RectangleSet(images: 4)
    let error = try failure(UsageError.self) { try set.run(RectangleSet.config { $0.initFile = nil }) }
    #expect(
      error.description
        == "CHECKPOINT is missing: the weights to start from. Give a run or a file of weights, or --init random."
    )
  }
}
