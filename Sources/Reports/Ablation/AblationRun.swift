import Files
import Foundation
import Training

/// The images that every run of an ablation learns from and is measured on.
struct AblationData: Equatable {
  /// Identifies the training images.
  let fingerprint: UInt32
  /// How many they are.
  let count: Int
  /// Identifies the images of kNN.
  let knnFingerprints: [UInt32]
  /// How many it searches.
  let searched: Int
}

/// One cell with one seed, read from its folder.
struct AblationRun {
  enum State: Equatable {
    /// Not begun, or not ended.
    case pending
    case finished
    /// The loss became infinite, or not a number, at a step. The seed decides everything, so that it would again.
    case diverged(step: Int)
  }

  /// How to fix a folder that cannot be read.
  static let remedy = "Remove the folder, and the same command trains the run again."

  let cell: AblationCell
  let seed: UInt64
  let folder: String
  let state: State
  private let record: RunHistory?

  /// - Parameters:
  ///   - runs: the folder that all runs of the ablation lie in.
  ///   - data: the images.
  /// - Throws: ``UsageError`` where the folder holds a run of other settings, of other images, or of more steps.
  init(_ cell: AblationCell, seed: UInt64, in runs: String, data: AblationData) throws {
    (self.cell, self.seed) = (cell, seed)
    let folder = "\(runs)/\(cell.name),seed=\(seed)"
    self.folder = folder
    guard FileManager.default.fileExists(atPath: folder + "/config.yaml") else {
      let found = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      guard found.allSatisfy({ $0.hasPrefix(".") }) else {
        throw UsageError(
          "\(folder): there is no config.yaml beside what a run left there. \(AblationRun.remedy)")
      }
      (record, state) = (nil, .pending)
      return
    }
    let record: RunHistory
    do {
      record = try RunHistory(folder)
    } catch {
      throw UsageError("\(error) \(AblationRun.remedy)")
    }
    self.record = record
    try AblationRun.check(record, against: cell, seed: seed, data: data)
    let isWhole =
      record.steps.last?.step == AblationRun.steps(of: record, in: cell, data)
      && record.measurements.last?.step == record.steps.last?.step
    let end = record.sessions.last?.end
    state =
      if let step = end?.divergedAt { .diverged(step: step) } else if end?.status == .finished, isWhole {
        .finished
      } else { .pending }
  }

  /// Checks that the folder's run has the cell's settings and images, so that it belongs into the table.
  private static func check(
    _ record: RunHistory, against cell: AblationCell, seed: UInt64, data: AblationData
  ) throws {
    let place = "\(record.folder): cell \(cell.label)"
    let differences = record.config.differences(from: cell.config(seed: seed))
    guard differences.isEmpty else {
      throw UsageError(
        "\(place) was run with other settings (\(differences.joined(separator: "; "))). "
          + "Choose another --out, or repeat that command's options to continue it.")
    }
    let starts = record.sessions.map(\.start)
    guard starts.allSatisfy({ ($0.dataFingerprint ?? data.fingerprint) == data.fingerprint }) else {
      throw UsageError("\(place) was run on other images. Choose another --out, or give that command's DATA.")
    }
    guard starts.allSatisfy({ ($0.knnFingerprints ?? data.knnFingerprints) == data.knnFingerprints }) else {
      throw UsageError(
        "\(place) was measured on other images. Choose another --out, or give that command's --knn-train, --knn-test "
          + "and --knn-limit.")
    }
    let (made, asked) = (record.steps.last?.step ?? 0, steps(of: record, in: cell, data))
    guard made <= asked else {
      throw UsageError(
        "\(place) has made \(made) steps, and \(asked) are asked for. Choose another --out, or ask for at least as many."
      )
    }
  }

  /// The number of steps of the whole run. Within minutes each run has decided its own.
  private static func steps(of record: RunHistory, in cell: AblationCell, _ data: AblationData) -> Int {
    (cell.config.minutes == nil ? cell.config : record.config).totalSteps(images: data.count)
  }

  var isInUse: Bool { RunFolder.isInUse(folder) }
  var hasBegun: Bool { record != nil }

  // MARK: - Results

  /// kNN top-1 over the epochs, percent.
  var kNN: [(epoch: Double, value: Double)] { record?.measurements.map { ($0.epoch, $0.top1) } ?? [] }

  /// How often the positive key was found, in per cent, over the epochs; empty for methods that look up none.
  var contrast: [(epoch: Double, value: Double)] {
    record?.steps.compactMap { step in step.contrastTop1.map { (step.epoch, 100 * $0) } } ?? []
  }

  var finalKNN: Double? { kNN.last?.value }

  /// In the mean over the last epoch, or what there is of it.
  var finalContrast: Double? { lastMean(contrast) }
  var finalLoss: Double? { lastMean(record?.steps.map { ($0.epoch, $0.loss) } ?? []) }

  var imagesPerSecond: Double? { record?.medianSpeed }

  private func lastMean(_ values: [(epoch: Double, value: Double)]) -> Double? {
    guard let end = values.last?.epoch else { return nil }
    let last = values.filter { $0.epoch > end - 1 }.map(\.value)
    return last.reduce(0, +) / Double(last.count)
  }
}
