import Data
import Distributed
import Evaluation
import Files
import Models
import Torch
import Weights

/// Detection: boxes with classes, perhaps with masks or keypoints.
package enum DetectionTask: TransferTask {
  package typealias Config = DetectConfig
  package typealias Classes = DetectedClasses

  package static func trainingSet(_ path: String, _ config: DetectConfig) throws -> DetectionDataset {
    try DetectionDataset.open(path, config.trainingOptions)
  }

  package static func testSet(
    _ path: String, _ config: DetectConfig, classes: [String], like train: DetectionDataset?
  ) throws -> DetectionDataset {
    try DetectionDataset.open(path, config.testOptions(classes: classes))
  }

  package static func loader(
    _ dataset: DetectionDataset, _ config: DetectConfig, seed: UInt64, rank: Rank, from first: Int
  ) -> DetectionLoader {
    DetectionLoader(
      dataset, config.sampling(of: dataset, seed: seed, rank: rank), config.resize, flip: config.flip,
      workers: config.workerCount, from: first, maxBad: config.maxBad)
  }

  package static func spec(_ config: DetectConfig, _ dataset: DetectionDataset) -> DetectorSpec {
    config.spec(classes: dataset.classNames.count, keypoints: dataset.keypoints.count)
  }

  package static func testSpec(_ spec: DetectorSpec, _ config: DetectConfig) -> DetectorSpec {
    var spec = spec
    spec.rpn = config.spec(classes: spec.classes, keypoints: spec.keypoints).rpn
    (spec.test.scoreThreshold, spec.test.detectionsPerImage) = (config.scoreThreshold, config.detections)
    return spec
  }

  package static func model(_ spec: DetectorSpec, using generator: Generator) -> GeneralizedRCNN {
    GeneralizedRCNN(spec, using: generator)
  }

  package static func losses(
    _ model: GeneralizedRCNN, _ batch: DetectionBatch, _ step: StepContext
  ) throws -> TransferLosses {
    let images = model.preprocess(batch.examples.map(\.tensor))
    do {
      let losses = try withPrecision(step.precision, on: step.device) {
        try model.losses(
          images, batch.examples.map { $0.truth(keypoints: model.spec.keypoints, dtype: step.dtype) },
          sampler: Subsampler(seed: step.seed, step: step.index, places: step.places))
      }
      func mean(_ counts: [Int]) -> Double { Double(counts.reduce(0, +)) / Double(max(1, counts.count)) }
      return TransferLosses(
        terms: losses.terms, boxes: (mean(losses.proposals), mean(losses.foreground)))
    } catch is NotFinite {
      throw Divergence(loss: .nan, rank: step.context.rank.number)
    }
  }

  package static func test(
    _ model: GeneralizedRCNN, _ dataset: DetectionDataset, _ config: DetectConfig, context: RankContext,
    step: Int, isStopped: () -> Bool, progress: (_ done: Int) -> Void, out: String?
  ) throws -> TestOutcome<RunEvent.Detection> {
    let started = ContinuousClock.now
    let inference = DetectorInference(
      dataset, config.testResize, workers: config.workerCount, maxBad: config.maxBad, context: context)
    let found = try inference.results(of: model, isStopped: isStopped) { done, _ in progress(done) }
    guard context.isFirst, let out else {
      return TestOutcome(test: nil, warnings: [], badFiles: found.badFiles)
    }
    let path = joined(out, RunFolder.resultsName)
    try found.results.write(to: path)
    var kinds = [DetectionScores.Kind.bbox]
    if model.spec.hasMasks { kinds.append(.segm) }
    if model.spec.keypoints > 0 { kinds.append(.keypoints) }
    let measured = try DetectionMeasure(config.metric, dataset).scores(ofResults: path, kinds)
    return TestOutcome(
      test: RunEvent.Detection(
        step: step, metric: config.metric, images: dataset.count, detections: found.results.count,
        seconds: (ContinuousClock.now - started) / .seconds(1), scores: measured.scores),
      warnings: measured.warnings, badFiles: found.badFiles)
  }
}

package typealias DetectorTraining = TransferTraining<DetectionTask>
package typealias DetectorEvaluation = TransferEvaluation<DetectionTask>

// MARK: - Parts

extension DetectorSpec: TransferSpec {
  package static var noun: String { InitialWeights.detectorKey }

  package var encoder: EncoderSpec { EncoderSpec(arch: arch, imageSize: imageSize) }

  package func whole(in weights: InitialWeights, names: [String]) throws -> InitialWeights.Whole? {
    try weights.detector(self, names: names)
  }
}

extension DetectionLoader: TransferLoader {}
extension DetectionBatch: TransferBatch {}

/// A detector's classes with their numbers in the training set's files, and its keypoints.
package struct DetectedClasses: StatedClasses {
  package let names: [String]
  package let ids: [Int]
  package let keypoints: [String]

  package init(_ dataset: DetectionDataset) {
    (names, ids, keypoints) = (dataset.classNames, dataset.categoryIDs, dataset.keypoints.names)
  }

  package func isOf(classes count: Int) -> Bool { names.count == count && ids.count == count }
}

extension DetectionDataset: TransferDataset {
  package var faults: [String] { leftOut.lines() }
  package func contents() -> (lines: [String], warnings: [String]) { ([], []) }

  package func unusable(workers: Int, progress: (_ done: Int) -> Void) throws -> [BadFile] {
    var (bad, done) = ([BadFile](), 0)
    try DetectionCheck(self, decodes: false, workers: workers).run { fault in
      if let fault { bad.append(fault) }
      done += 1
      progress(done)
    }
    return bad
  }

  package var faultSummary: (text: String, isLoss: Bool)? {
    leftOut.isEmpty ? nil : (leftOut.text, leftOut.isLoss)
  }

  /// A checksum of the images' names and sizes and of their objects.
  package var fingerprint: UInt32 {
    var bytes: [UInt8] = []
    var sum: UInt32 = 0
    func add(_ numbers: [Double]) { numbers.withUnsafeBytes { bytes += $0 } }
    func flush() {
      add([Double(sum)])
      sum = bytes.withUnsafeBytes { crc32($0) }
      bytes.removeAll(keepingCapacity: true)
    }
    bytes += Array((classNames + keypoints.names).joined(separator: "\n").utf8)
    for index in 0..<count {
      let image = images[index]
      bytes += Array(image.name.utf8)
      add([Double(image.id), Double(image.height), Double(image.width)])
      for object in objects(index) {
        let box = object.box
        add([Double(object.classIndex), box.x0, box.y0, box.x1, box.y1, object.area ?? -1])
        for point in object.keypoints { add([point.x, point.y, Double(point.visibility.rawValue)]) }
      }
      if bytes.count > 1 << 20 { flush() }
    }
    flush()
    return sum
  }
}

extension DetectionExample {
  /// Its objects as a detector learns from them, but for crowds.
  /// - Parameters:
  ///   - count: Keypoints of an object; 0 for none.
  ///   - dtype: float64 for a detector in float64.
  func truth(keypoints count: Int, dtype: DType = .float32) -> GroundTruth {
    let own = objects.filter { !$0.isCrowd }
    let corners = own.flatMap { [$0.box.x0, $0.box.y0, $0.box.x1, $0.box.y1] }
    let masks = own.compactMap(\.mask)
    let points = own.flatMap { object in
      object.keypoints.flatMap { [$0.x, $0.y, Double($0.visibility.rawValue)] }
    }
    let isDouble = dtype == .float64
    func tensor(_ values: [Double], _ shape: [Int]) -> Tensor {
      let exact = Tensor(values, shape: shape)
      return isDouble ? exact : exact.to(.float32)
    }
    return GroundTruth(
      boxes: tensor(corners, [own.count, 4]), classes: Tensor(own.map(\.classIndex)),
      masks: masks.count == own.count ? masks : [],
      keypoints: count > 0 ? tensor(points, [own.count, count, 3]) : nil)
  }
}
