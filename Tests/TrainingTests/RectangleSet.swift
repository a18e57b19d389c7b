import Data
import Foundation
import Images
import TestSupport
import Torch
@testable import Training

/// Images of grey noise with a red and a blue rectangle each, in COCO's form with polygons: two classes whose ids have a
/// gap.
struct RectangleSet {
  /// As DATA names it.
  let spec: String

  init(images count: Int = 8, width: Int = 64, height: Int = 48, seed: UInt64 = 5) throws {
    let folder = temporaryFolder()
    var (images, annotations): ([[String: Any]], [[String: Any]]) = ([], [])
    for number in 0..<count {
      var random = CounterGenerator(seed: seed, .weights, number)
      var pixels = (0..<width * height * 3).map { _ in UInt8(90 + random.index(below: 60)) }
      for classIndex in 0..<2 {
        let (w, h) = (16 + random.index(below: 12), 14 + random.index(below: 12))
        let left = random.index(below: width / 2 - w / 2) + (classIndex == 0 ? 0 : width / 2 - w / 2)
        let top = random.index(below: height - h)
        for y in top..<top + h {
          for x in left..<left + w {
            let place = 3 * (y * width + x)
            (pixels[place], pixels[place + 1], pixels[place + 2]) =
              classIndex == 0 ? (230, 30, 30) : (30, 30, 230)
          }
        }
        let (right, bottom) = (left + w, top + h)
        annotations.append([
          "id": annotations.count + 1, "image_id": number + 10, "category_id": [3, 7][classIndex],
          "iscrowd": 0,
          "bbox": [left, top, w, h], "area": w * h,
          "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        ])
      }
      let name = String(format: "%03d.png", number)
      try RGBImage(width: width, height: height, pixels: pixels).pngData()
        .write(to: URL(filePath: "\(folder)/\(name)"))
      images.append(["id": number + 10, "file_name": name, "width": width, "height": height])
    }
    let file: [String: Any] = [
      "images": images, "annotations": annotations,
      "categories": [["id": 3, "name": "red"], ["id": 7, "name": "blue"]],
    ]
    try JSONSerialization.data(withJSONObject: file).write(to: URL(filePath: "\(folder)/all.json"))
    spec = "\(folder)/all.json@\(folder)"
  }

  /// A detector of a few steps.
  static func config(_ change: (inout DetectConfig) -> Void = { _ in }) throws -> DetectConfig {
    var config = try DetectConfig.recipe("small-c4")
    (config.initFile, config.device, config.workers, config.logEvery) = ("random", .named(.cpu), 2, 1)
    (config.shortSides, config.maxSide, config.testShortSide, config.testMaxSide) = ([64], 96, 64, 96)
    config.anchorSizes = [16, 32]
    (config.batchSize, config.roiBatch, config.rpnBatch) = (2, 8, 16)
    (config.rpnPreTrain, config.rpnPostTrain, config.rpnPreTest, config.rpnPostTest) = (100, 30, 50, 10)
    (config.steps, config.decayAt, config.warmupSteps, config.preciseBN) = (4, [], 2, 2)
    change(&config)
    return config
  }

  /// A run in a new folder, unless given.
  @discardableResult
  func run(
    _ config: DetectConfig, to out: String = temporaryFolder() + "/run", resume: Pretraining.Resume = .auto
  ) throws -> String {
    let run = try DetectorTraining(
      config, train: spec, test: spec, out: out, resume: resume, console: Console(quiet: true, silent: true))
    _ = try run.run()
    return out
  }
}
