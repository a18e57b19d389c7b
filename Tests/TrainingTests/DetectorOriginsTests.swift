import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

/// The origins of a detector's tensors: what the log says, and `weights.txt`.
@Suite struct DetectorOriginsTests {
  /// An encoder in a file of torchvision's names.
  private func encoder(_ folder: String) throws -> String {
    let network = EncoderSpec(arch: .resnet18, head: .linear(outputs: 1000)).makeEncoder(
      using: Generator(seed: 1))
    let file = folder + "/r18.pth"
    try ExportFormat.torchvision.write(
      network.state.map { (name: $0.name, tensor: $0.tensor.detached()) }, to: file)
    return file
  }

  @Test func theFileOfOriginsHasALineForEachTensor() throws {
    let file = try encoder(temporaryFolder())
    let set = try RectangleSet(images: 4)
    let out = try set.run(
      RectangleSet.config { ($0.initFile, $0.steps, $0.preciseBN) = (file, 1, 0) })
    let lines = try String(contentsOfFile: out + "/weights.txt", encoding: .utf8).split(separator: "\n")
      .map(String.init)
    // 20 convolutions, and as many normalisations of five tensors.
    #expect(lines.filter { $0.contains(" = ") }.count == 20 + 20 * 5)
    for line in [
      "backbone.conv1.weight = conv1.weight",
      "backbone.layer3.0.downsample.1.bias = layer3.0.downsample.1.bias",
      "roi_heads.res5.1.bn2.running_var = layer4.1.bn2.running_var",
    ] { #expect(lines.contains(line), "\(line)") }
    let drawn = lines.filter { $0.hasSuffix(" drawn") }
    let heads = ["proposal_generator.rpn_head.", "roi_heads.res5.norm.", "roi_heads.box_predictor."]
    #expect(heads.map { head in drawn.count { $0.hasPrefix(head) } } == [6, 5, 4] && drawn.count == 15)
    #expect(lines.suffix(2) == ["fc.bias not taken", "fc.weight not taken"] && lines.count == 120 + 15 + 2)

    let starts = RunLog.read(out + "/log.jsonl").compactMap { event in
      if case .detector(let start) = event { start } else { nil }
    }
    #expect(
      starts.first?.notes == [
        "120 of the detector's 135 tensors matched in \(file), 120 of them in the backbone: conv1.weight … "
          + "layer4.1.bn2.num_batches_tracked",
        "not taken from there: fc.bias, fc.weight",
        "drawn at random: proposal_generator.rpn_head (6), roi_heads.res5 (5), roi_heads.box_predictor (4)",
      ])
    // A run that goes on keeps them.
    try set.run(RectangleSet.config { ($0.initFile, $0.steps, $0.preciseBN) = (file, 2, 0) }, to: out)
    let kept = try String(contentsOfFile: out + "/weights.txt", encoding: .utf8)
    #expect(kept == lines.map { $0 + "\n" }.joined())
  }

  /// A C4 detector's conv5 is in its box head, but comes from the encoder as the rest.
  @Test func anEncoderWithoutAllOfConv5IsRefused() throws {
    let model = GeneralizedRCNN(
      DetectorSpec(.c4, arch: .resnet18, classes: 3), using: Generator(seed: 1))
    let network = EncoderSpec(arch: .resnet18).makeEncoder(using: Generator(seed: 2))
    var tensors = Dictionary(uniqueKeysWithValues: network.state.map { ($0.name, $0.tensor) })
    tensors["layer4.1.conv2.weight"] = nil
    let error = try failure(UsageError.self) {
      _ = try TransferWeights(encoder: tensors, model.spec, state: model.state, path: "a.pth")
    }
    #expect(
      error.description
        == "a.pth: 1 of the backbone's 120 tensors have no match there: layer4.1.conv2.weight. The detector would learn "
        + "from random numbers. Give weights of a resnet18, or --init random.")
  }

  /// Else conv5 would be half another detector's and half drawn at random.
  @Test func aDetectorWithoutAllOfConv5IsRefused() throws {
    let model = GeneralizedRCNN(
      DetectorSpec(.c4, arch: .resnet18, classes: 3), using: Generator(seed: 1))
    func found(without name: String) throws -> TransferWeights {
      let file = temporaryFolder() + "/d.pth"
      try Detectron2Export(model.state.filter { !$0.name.hasPrefix(name) }, iteration: 1).write(to: file)
      return try TransferWeights(InitialWeights(file), model.spec, state: model.state)
    }
    let missing = "roi_heads.res5.1.conv2.weight"
    let error = try failure(UsageError.self) { _ = try found(without: missing) }
    #expect(
      error.description.hasSuffix(
        "/d.pth: 1 of the backbone's 120 tensors have no match there: \(missing). The detector would learn from random "
          + "numbers. Give weights of the same backbone, or --init random."), "\(error)")
    // The detector's own parts may be missing.
    let norm = "roi_heads.res5.norm."
    let fresh = try found(without: norm).fresh
    #expect(fresh.count == 5 && fresh.allSatisfy { $0.hasPrefix(norm) })
  }
}
