import Data
import Foundation
import Images
import TestSupport
import Torch
@testable import Training

/// Images of gray noise with a red and a blue rectangle each, as a folder of images and one of masks: the background and two
/// classes, with a frame of ignored pixels around each rectangle.
struct SegmentedSet {
  /// As DATA names it.
  let spec: String
  /// The folder of the masks.
  let masks: String

  init(images count: Int = 8, width: Int = 64, height: Int = 48, seed: UInt64 = 5, blue: String = "blue")
    throws
  {
    let folder = temporaryFolder()
    masks = folder + "/masks"
    for name in ["images", "masks"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    for number in 0..<count {
      var random = CounterGenerator(seed: seed, .weights, number)
      var pixels = (0..<width * height * 3).map { _ in UInt8(90 + random.index(below: 60)) }
      var labels = [UInt8](repeating: 0, count: width * height)
      for classIndex in 0..<2 {
        let (w, h) = (16 + random.index(below: 12), 14 + random.index(below: 12))
        let left = random.index(below: width / 2 - w / 2) + (classIndex == 0 ? 0 : width / 2 - w / 2)
        let top = random.index(below: height - h)
        for y in max(0, top - 1)..<min(height, top + h + 1) {
          for x in max(0, left - 1)..<min(width, left + w + 1) {
            let isInside = y >= top && y < top + h && x >= left && x < left + w
            labels[y * width + x] = isInside ? UInt8(classIndex + 1) : LabelMap.ignored
            guard isInside else { continue }
            let place = 3 * (y * width + x)
            (pixels[place], pixels[place + 1], pixels[place + 2]) =
              classIndex == 0 ? (230, 30, 30) : (30, 30, 230)
          }
        }
      }
      let name = String(format: "%03d.png", number)
      try RGBImage(width: width, height: height, pixels: pixels).pngData()
        .write(to: URL(filePath: "\(folder)/images/\(name)"))
      try LabelMap(height: height, width: width, labels: labels).pngData()
        .write(to: URL(filePath: "\(masks)/\(name)"))
    }
    try Data("background\nred\n\(blue)\n".utf8).write(to: URL(filePath: "\(masks)/classes.txt"))
    spec = "\(folder)/images@\(masks)"
  }

  /// Writes a mask again, with the label that `change` makes of each.
  func rewrite(_ number: Int, _ change: (UInt8) -> UInt8) throws {
    let path = String(format: "%@/%03d.png", masks, number)
    let map = try LabelMap.read(path)
    try LabelMap(height: map.height, width: map.width, labels: map.labels.map(change)).pngData()
      .write(to: URL(filePath: path))
  }

  /// Gives an image a mask of another size.
  func spoil(_ number: Int) throws {
    try LabelMap(height: 5, width: 7, labels: [UInt8](repeating: 0, count: 35)).pngData()
      .write(to: URL(filePath: String(format: "%@/%03d.png", masks, number)))
  }

  /// A segmenter of a few steps.
  static func config(_ change: (inout SegmentConfig) -> Void = { _ in }) throws -> SegmentConfig {
    var config = try SegmentConfig.recipe("small-fcn")
    (config.initFile, config.device, config.workers, config.logEvery) = ("random", .named(.cpu), 2, 1)
    (config.cropSize, config.headChannels, config.headDilation) = (49, 16, 2)
    (config.batchSize, config.steps, config.decayAt) = (2, 4, [])
    (config.warmupSteps, config.preciseBN) = (2, 2)
    change(&config)
    return config
  }

  /// A run in a new folder, unless given, with a test on its own images, unless others are given.
  @discardableResult
  func run(
    _ config: SegmentConfig, test: String? = nil, to out: String = temporaryFolder() + "/run",
    resume: Pretraining.Resume = .auto
  ) throws -> String {
    let run = try SegmenterTraining(
      config, train: spec, test: test ?? spec, out: out, resume: resume,
      console: Console(quiet: true, silent: true))
    _ = try run.run()
    return out
  }
}

/// The tests in the log of a segmenter's run.
func tests(_ out: String) -> [RunEvent.Segmentation] {
  RunLog.read(out + "/log.jsonl").compactMap { if case .segmentation(let test) = $0 { test } else { nil } }
}

/// The label maps of a run's last test, by their names.
func predictions(_ out: String) throws -> [String: Data] { try contents(out + "/predictions") }
