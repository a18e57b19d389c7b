import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights

/// How images become the network's input, as the command line says it.
@Suite(.serialized) struct ImageOptionTests {
  private func makeWeights(_ spec: EncoderSpec, in folder: String) throws -> String {
    let network = spec.makeEncoder(using: Generator(seed: 1))
    network.train(false)
    let path = "\(folder)/weights.pth"
    try ExportFormat.timm.write(network.state.map { ($0.name, $0.tensor.detached()) }, to: path)
    return path
  }

  private let options = [
    "--mean", "0.5", "--std", "0.25,0.5,1", "--image-size", "48", "--resize", "0.9", "--interpolation",
    "bicubic",
  ]

  @Test func importStatesThemAndInspectShowsThem() throws {
    try withFolder { folder in
      let file = try makeWeights(EncoderSpec(arch: .resnet8), in: folder)
      let checkpoint = "\(folder)/x.safetensors"
      let result = try Program.run(
        ["import", file, "--out", checkpoint, "--stem-padding", "2"] + options)
      #expect(result.code == 0, "\(result.errors)")
      #expect(
        result.output.contains(
          "images of 48 pixels, shorter side 53, bicubic, mean 0.5, 0.5, 0.5, std 0.25, 0.5, 1.0\n"),
        "\(result.output)")
      let spec = try TrainedEncoder(checkpoint).spec
      #expect(
        spec
          == EncoderSpec(
            arch: .resnet8, stem: .cifar, stemPadding: 2, imageSize: 48,
            normalization: Normalization(mean: [0.5, 0.5, 0.5], std: [0.25, 0.5, 1]),
            resizing: .cropShare(0.9),
            interpolation: .bicubic))
      let shown = try Program.run("inspect", checkpoint)
      #expect(
        shown.output.contains(
          """
            arch: resnet8
            stem: cifar
            stem-padding: 2
            image-size: 48
            resize: shorter side 53, bicubic
            mean: 0.5, 0.5, 0.5
            std: 0.25, 0.5, 1.0
            head: none

          """), "\(shown.output)")
    }
  }

  /// The same features whether the file states the values or the command line.
  @Test func everyEvaluationTakesThem() throws {
    try withFolder { folder in
      let file = try makeWeights(EncoderSpec(arch: .resnet8), in: folder)
      let (plain, stated) = ("\(folder)/plain.safetensors", "\(folder)/stated.safetensors")
      #expect(try Program.run("import", file, "--out", plain).code == 0)
      #expect(try Program.run(["import", file, "--out", stated] + options).code == 0)
      let data = try makeImageFolder(classes: 2, imagesPerClass: 4, side: 60)
      defer { try? FileManager.default.removeItem(atPath: data) }
      func features(_ checkpoint: String, _ name: String, _ options: [String]) throws -> [UInt8] {
        let result = try Program.run(
          ["features", checkpoint, data, "--out", "\(folder)/\(name).npy"] + options)
        #expect(result.code == 0, "\(result.errors)")
        return try bytes(at: "\(folder)/\(name).npy")
      }
      let byLine = try features(plain, "a", options)
      #expect(try features(stated, "b", []) == byLine)
      #expect(try features(plain, "c", []) != byLine)
      for index in stride(from: 0, to: options.count, by: 2) {
        let one = Array(options[index..<index + 2])
        #expect(try features(plain, "d", one) != features(plain, "c", []), "\(one)")
      }
      #expect(try features(plain, "e", ["--resize", "squash"]) == features(plain, "f", ["--resize", "32"]))

      let sets = ["--train", data, "--test", data] + options
      let image = data + "/class0/000.png"
      for arguments in [
        ["knn", plain, "--k", "2"] + sets, ["linear", plain, "--epochs", "1", "--batch-size", "4"] + sets,
        ["search", plain, "--index", data, "--query", image, "--index-file", "\(folder)/i"] + options,
      ] {
        let result = try Program.run(arguments)
        #expect(result.code == 0, "\(result.errors)")
      }
      let tuned = "\(folder)/tuned.safetensors"
      let tuning = try Program.run(
        ["finetune", plain, "--epochs", "1", "--batch-size", "4", "--out", tuned] + sets)
      #expect(tuning.code == 0, "\(tuning.errors)")
      let (spec, wanted) = (try TrainedEncoder(tuned).spec, try TrainedEncoder(stated).spec)
      #expect(spec.normalization == wanted.normalization && spec.imageSize == 48)
      #expect(spec.resizing == wanted.resizing && spec.interpolation == .bicubic)
    }
  }

  @Test func meaninglessValuesAreNamed() throws {
    try withFolder { folder in
      let resnet = try makeWeights(EncoderSpec(arch: .resnet8), in: folder)
      func check(_ file: String, _ options: [String], _ problem: String) throws {
        let result = try Program.run(["import", file, "--out", "\(folder)/x.safetensors"] + options)
        #expect(result.code == 2 && result.errors == "moco: \(problem)\n", "\(options): \(result.errors)")
      }
      try check(
        resnet, ["--mean", "123.675,116.28,103.53"],
        "--mean 123.675,116.28,103.53: levels lie between 0 and 1 here; divide those of 0 to 255 by 255.")
      try check(
        resnet, ["--std", "0.5,0.5"],
        "--std 0.5,0.5: give three numbers, of red, green and blue, or one for all.")
      try check(
        resnet, ["--resize", "30"],
        "--resize 30: the centre of 32 pixels does not fit into it; give at least 32.")
      try check(resnet, ["--image-size", "0"], "--image-size 0: 1 to 8192 pixels.")
      try check(
        resnet, ["--stem-padding", "5"], "--stem-padding 5: 0 to 2 pixels around the 3×3 convolution.")
      let word = try Program.run("import", resnet, "--out", "\(folder)/x.safetensors", "--resize", "stretch")
      #expect(word.code == 2 && word.errors.contains("'stretch' is invalid for '--resize"), "\(word.errors)")
      let vit = try makeWeights(EncoderSpec(arch: .vitSmall, imageSize: 32), in: folder)
      try check(
        vit, ["--image-size", "48"],
        "--image-size 48: the positions of this vit_small are those of images of 32 pixels. Leave it out.")
    }
  }

  @Test func aTransformersFeaturesCanBeTheAverageOfItsPatches() throws {
    try withFolder { folder in
      let file = try makeWeights(EncoderSpec(arch: .vitSmall, imageSize: 32), in: folder)
      let checkpoint = "\(folder)/x.safetensors"
      #expect(try Program.run("import", file, "--out", checkpoint, "--pooling", "average").code == 0)
      #expect(try TrainedEncoder(checkpoint).spec.pooling == .average)
      #expect(try Program.run("inspect", checkpoint).output.contains("\n  pooling: average\n"))
    }
  }
}
