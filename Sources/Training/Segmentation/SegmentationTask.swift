import Data
import Distributed
import Evaluation
import Files
import Models
import Torch
import Weights

/// Semantic segmentation: a class for every pixel.
package enum SegmentationTask: TransferTask {
  package typealias Config = SegmentConfig
  package typealias Classes = SegmentedClasses

  package static func trainingSet(_ path: String, _ config: SegmentConfig) throws -> SegmentationDataset {
    try SegmentationDataset.open(path, options(config, .init(use: .training)))
  }

  package static func testSet(
    _ path: String, _ config: SegmentConfig, classes: [String], like train: SegmentationDataset?
  ) throws -> SegmentationDataset {
    let alike =
      train.map { SegmentationOptions.testing(like: $0) }
      ?? SegmentationOptions(use: .testing, classNames: classes)
    return try SegmentationDataset.open(path, options(config, alike))
  }

  private static func options(_ config: SegmentConfig, _ options: SegmentationOptions) -> SegmentationOptions
  {
    var options = options
    (options.maxLeftOut, options.decoder, options.workers) = (
      config.maxLeftOut, config.decoder, config.workerCount
    )
    return options
  }

  package static func loader(
    _ dataset: SegmentationDataset, _ config: SegmentConfig, seed: UInt64, rank: Rank, from first: Int
  ) -> SegmentationLoader {
    SegmentationLoader(
      dataset, config.transform, batchSize: config.batchSize, seed: seed, rank: rank,
      workers: config.workerCount, from: first, maxBad: config.maxBad)
  }

  package static func spec(_ config: SegmentConfig, _ dataset: SegmentationDataset) -> SegmenterSpec {
    config.spec(classes: dataset.classNames.count)
  }

  package static func testSpec(_ spec: SegmenterSpec, _ config: SegmentConfig) -> SegmenterSpec { spec }

  package static func model(_ spec: SegmenterSpec, using generator: Generator) -> FCN {
    FCN(spec, using: generator)
  }

  package static func losses(_ model: FCN, _ batch: SegmentationBatch, _ step: StepContext) throws
    -> TransferLosses
  {
    let side = batch.cropSize
    let pixels = batch.images.withUnsafeBytes {
      Tensor(copying: $0, dtype: .uint8, shape: [batch.count, side, side, 3])
    }
    let labels = batch.labels.withUnsafeBytes {
      Tensor(copying: $0, dtype: .uint8, shape: [batch.count, side, side])  // N×H×W
    }.to(step.device)
    let images = model.preprocess(pixels)  // N×3×H×W
    let share = try shareOfPixels(batch, step.context)
    let loss = withPrecision(step.precision, on: step.device) { model.loss(images, labels: labels) }
    return TransferLosses(terms: [("loss_sem_seg", share == 1 ? loss : loss * share)])
  }

  /// This rank's pixels with a class over the mean of all ranks'. With it as a factor, the mean of the ranks' losses and
  /// gradients is that of all pixels of the batch, whatever the number of ranks.
  private static func shareOfPixels(_ batch: SegmentationBatch, _ context: RankContext) throws -> Double {
    guard context.rank.count > 1 else { return 1 }
    let own = batch.labels.withUnsafeBufferPointer { labels in
      labels.reduce(into: 0) { $0 += $1 == LabelMap.ignored ? 0 : 1 }
    }
    let counts = try context.rows([Double(own)]).map { $0[0] }
    let all = counts.reduce(0, +)
    return all == 0 ? 1 : Double(own) * Double(counts.count) / all
  }

  package static func test(
    _ model: FCN, _ dataset: SegmentationDataset, _ config: SegmentConfig, context: RankContext, step: Int,
    isStopped: () -> Bool, progress: (_ done: Int) -> Void, out: String?
  ) throws -> TestOutcome<RunEvent.Segmentation> {
    let started = ContinuousClock.now
    let folder = context.isFirst ? out.map { joined($0, RunFolder.predictionsName) } : nil
    let bad = try SegmenterInference(
      dataset, tileSize: config.tileSize, workers: config.workerCount, maxBad: config.maxBad,
      context: context
    ).write(model, to: folder, isStopped: isStopped, progress: progress)
    guard let folder, let out else { return TestOutcome(test: nil, warnings: [], badFiles: bad) }
    let measured = try SegmentationMeasure(dataset, predictions: folder)
      .measured(without: Set(bad.map(\.sample)))
    try replaceFile(
      joined(out, RunFolder.confusionName),
      with: ConfusionTable(measured.matrix, classNames: dataset.classNames).csv)
    return TestOutcome(
      test: RunEvent.Segmentation(
        step: step, images: measured.images.count { $0 != nil },
        seconds: (ContinuousClock.now - started) / .seconds(1), scores: measured.scores),
      warnings: [], badFiles: bad)
  }
}

package typealias SegmenterTraining = TransferTraining<SegmentationTask>
package typealias SegmenterEvaluation = TransferEvaluation<SegmentationTask>

extension SegmentConfig {
  var transform: SegmentationTransform {
    SegmentationTransform(
      cropSize: self.cropSize, scales: self.scaleRange.all[0]...self.scaleRange.all[1], flip: self.flip,
      mean: spec(classes: 2).pixelMean)
  }
}

// MARK: - Parts

extension SegmenterSpec: TransferSpec {
  package static var noun: String { InitialWeights.segmenterKey }

  package var encoder: EncoderSpec { EncoderSpec(arch: arch) }

  package func whole(in weights: InitialWeights, names: [String]) throws -> InitialWeights.Whole? {
    weights.segmenter()
  }
}

extension SegmentationLoader: TransferLoader {}
extension SegmentationBatch: TransferBatch {}

/// A segmenter's classes, the background too.
package struct SegmentedClasses: StatedClasses {
  package let names: [String]

  package init(_ dataset: SegmentationDataset) { names = dataset.classNames }

  package func isOf(classes count: Int) -> Bool { names.count == count }
}

extension SegmentationDataset: TransferDataset {
  package var faults: [String] { leftOut.lines() }

  /// The most masks that are counted before training.
  private static var counted: Int { 64 }

  /// The classes of the pixels in some masks: where masks are read wrongly, it shows here.
  package func contents() throws -> (lines: [String], warnings: [String]) {
    let some = min(count, Self.counted)
    let sample = subset((0..<some).map { $0 * count / some })
    var totals = SegmentationCheck.Totals(self)
    try SegmentationCheck(sample, .masks, workers: Cores.usable).run { totals.add($0) }
    guard totals.pixels > 0 else { return ([], []) }
    // Of a part of the masks a rare class may be missing by chance; all classes but one are not.
    let isTelling = some == count || totals.absent.count >= classNames.count - 1
    return ([Self.line(totals)], (isTelling ? totals.warning : nil).map { ["\(spec): \($0)."] } ?? [])
  }

  private static func line(_ totals: SegmentationCheck.Totals) -> String {
    func part(_ name: String, _ count: Int) -> String {
      "\(name) \(fixed(100 * Double(count) / Double(totals.pixels), 1)) %"
    }
    let present = totals.classes.enumerated().filter { $0.element.pixels > 0 }
      .sorted { ($0.element.pixels, $1.offset) > ($1.element.pixels, $0.offset) }.map(\.element)
    let shown = present.prefix(8).map { part($0.name, $0.pixels) }
    let bad = totals.faults.count
    return "pixels of \(totals.images) masks\(bad > 0 ? " (\(bad) cannot be used)" : ""): "
      + shown.joined(separator: ", ")
      + (present.count > shown.count ? ", … (\(present.count) of \(totals.classes.count) classes)" : "")
      + (totals.ignored > 0 ? ", \(part("ignored", totals.ignored))" : "")
      + (totals.absent.isEmpty ? "" : "; no pixel of \(totals.absentText)")
  }

  package func unusable(workers: Int, progress: (_ done: Int) -> Void) throws -> [BadFile] {
    var (bad, done) = ([BadFile](), 0)
    try SegmentationCheck(self, .test, workers: workers).run { entry in
      if let fault = entry.fault { bad.append(fault) }
      done += 1
      progress(done)
    }
    return bad
  }

  package var faultSummary: (text: String, isLoss: Bool)? {
    leftOut.isEmpty ? nil : (leftOut.text, leftOut.isLoss)
  }
}
