import Foundation
import Methods
import TestSupport
import Torch
import Weights
@testable import Training

/// Runs of a few steps, of 40 made images in batches of 8 unless changed: 5 steps an epoch.
struct SmallRuns {
  let data: String

  init(imagesPerClass: Int = 20, seed: UInt64 = 7) throws {
    data = try makeImageFolder(classes: 2, imagesPerClass: imagesPerClass, seed: seed)
  }

  func config(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    var config = try RunConfig.recipe("cifar")
    (config.arch, config.imageSize, config.batchSize, config.bnSplits) = (.resnet8, 16, 8, 2)
    (config.mocoK, config.mocoDim) = (12, 16)
    (config.epochs, config.device, config.workers, config.logEvery) = (2, .named(.cpu), 2, 1)
    change(&config)
    return config
  }

  /// A run in a new folder, unless given.
  @discardableResult
  func run(
    _ config: RunConfig, data: String? = nil, to out: String = temporaryFolder() + "/run",
    resume: Pretraining.Resume = .auto
  ) throws -> String {
    let run = try Pretraining(
      config, data: data ?? self.data, out: out, resume: resume, console: Console(quiet: true, silent: true))
    _ = try run.run()
    return out
  }
}

/// The steps, notes and measurements of a run's log.
func steps(_ out: String) -> [Int] {
  RunLog.read(out + "/log.jsonl").compactMap { if case .step(let step) = $0 { step.step } else { nil } }
}

/// Of the last session.
func notes(_ out: String) -> [String] {
  let starts = RunLog.read(out + "/log.jsonl").compactMap {
    if case .start(let start) = $0 { start } else { nil }
  }
  return starts.last?.notes ?? []
}

/// The tensors of a checkpoint's model that begin so, by their bytes.
func model(_ path: String, _ prefix: String = "") throws -> [String: [UInt8]] {
  try Checkpoint.load(path).model.filter { $0.key.hasPrefix(prefix) }
    .mapValues { $0.withUnsafeBytes { Array($0) } }
}

/// The paths and contents of all files in a folder.
func contents(_ folder: String) throws -> [String: Data] {
  var found: [String: Data] = [:]
  for path in try FileManager.default.subpathsOfDirectory(atPath: folder) {
    if let data = FileManager.default.contents(atPath: folder + "/" + path) { found[path] = data }
  }
  return found
}
