import Foundation
import Images
import Methods
import Torch
import Weights
@testable import Training

/// Class folders of PNG images that a glance at their colour tells apart: `red`, `green` and `blue` with noise.
func makeColourFolder(imagesPerClass: Int, side: Int = 20, seed: UInt64 = 3) throws -> String {
  let root = temporaryFolder()
  for (label, name) in ["blue", "green", "red"].enumerated() {
    let folder = "\(root)/\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for number in 0..<imagesPerClass {
      var random = CounterGenerator(seed: seed, .weights, label, number)
      let pixels = (0..<side * side * 3).map { i in
        UInt8(random.index(below: 120) + (i % 3 == 2 - label ? 130 : 0))
      }
      try RGBImage(width: side, height: side, pixels: pixels).pngData()
        .write(to: URL(fileURLWithPath: String(format: "%@/%03d.png", folder, number)))
    }
  }
  return root
}

/// A ResNet-8 for images of 16 pixels, one step away from its random weights.
func makeTrainedEncoder(seed: UInt64 = 1) throws -> TrainedEncoder {
  var config = try RunConfig.recipe("cifar")
  config.arch = .resnet8
  (config.imageSize, config.batchSize, config.bnSplits, config.mocoK) = (16, 8, 1, 16)
  (config.steps, config.seed, config.workers, config.device) = (1, seed, 1, .named(.cpu))
  let data = try makeImageFolder(classes: 1, imagesPerClass: 8)
  let out = temporaryFolder() + "/run"
  _ = try Pretraining(config, data: data, out: out, console: Console(quiet: true)).run()
  return try TrainedEncoder(out, on: .cpu)
}
