import Foundation

/// One cell with one seed, as its folder tells.
struct AblationRun {
  enum State: Equatable {
    /// Not begun, or not ended.
    case pending
    case finished
    /// The loss became infinite at a step. The seed decides everything, so that it would again.
    case diverged(step: Int)
  }

  let cell: AblationCell
  let seed: UInt64
  let folder: String
  let state: State
  private let record: RunRecord?

  /// - Parameters:
  ///   - runs: the folder that all runs of the ablation lie in.
  ///   - data: what identifies the images.
  /// - Throws: ``UsageError`` where the folder holds a run of other settings or of other images.
  init(_ cell: AblationCell, seed: UInt64, in runs: String, data: UInt32) throws {
    (self.cell, self.seed) = (cell, seed)
    let folder = "\(runs)/\(cell.name),seed=\(seed)"
    self.folder = folder
    guard FileManager.default.fileExists(atPath: folder + "/config.yaml") else {
      (record, state) = (nil, .pending)
      return
    }
    let record = try RunRecord(folder)
    self.record = record
    let differences = record.config.differences(from: cell.config(seed: seed))
    guard differences.isEmpty else {
      throw UsageError(
        "\(folder): cell \(cell.label) was run with other settings (\(differences.joined(separator: "; "))). "
          + "Choose another --out, or repeat that command's options to continue it.")
    }
    guard record.sessions.allSatisfy({ ($0.start.dataFingerprint ?? data) == data }) else {
      throw UsageError(
        "\(folder): cell \(cell.label) was run on other images. Choose another --out, or give that command's DATA."
      )
    }
    let isWhole =
      record.config.steps == cell.config.steps && record.measurements.last?.step == record.steps.last?.step
    let end = record.sessions.last?.end
    state =
      if let step = end?.divergedAt { .diverged(step: step) } else if end?.status == .finished, isWhole {
        .finished
      } else { .pending }
  }

  var isInUse: Bool { RunFolder.isInUse(folder) }

  // MARK: - What came out

  /// kNN top-1 over the epochs, percent.
  var kNN: [(epoch: Double, value: Double)] { record?.measurements.map { ($0.epoch, $0.top1) } ?? [] }

  /// How often the positive key was found, over the epochs, percent; nothing for methods that look none up.
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
