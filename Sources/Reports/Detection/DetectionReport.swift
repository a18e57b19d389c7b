import Data
import Evaluation
import Files
import Foundation
import Torch
import Training

/// The page of a run of `moco detect`, at any time of the run.
package struct DetectionReport {
  package let page: DetectionPage
  /// The missing parts, one sentence each.
  package let missing: [String]

  /// Whether a folder holds a detector's run.
  package static func isDetection(_ folder: String) -> Bool { history(folder).start != nil }

  private static func history(_ folder: String) -> TaskHistory<DetectConfig> {
    TaskHistory(folder) { if case .detector(let start) = $0 { start } else { nil } }
  }

  /// - Parameters:
  ///   - folder: the run's.
  ///   - test: the test set, where it lies elsewhere by now than the log says.
  /// - Throws: `UsageError` where there is no detector's run, or no data set where `test` names one.
  package init(run folder: String, test: String? = nil) throws {
    let history = Self.history(folder)
    guard let start = history.start else {
      throw UsageError(
        "\(folder): no run of `moco detect` has begun here. Give the folder that its --out named.")
    }
    let tests = history.events.compactMap { if case .detection(let test) = $0 { test } else { nil } }
    let data = Result { try Self.testSet(start, test: test) }
    if let test, case .failure(let error as DatasetError) = data {
      throw UsageError("--images \(test): \(error).")
    }
    let found = data.flatMap { data in Result { try Self.pictures(folder, data) } }
    let pictures = (try? found.get()) ?? []
    var scores = tests.last.map { test in test.scores.map { Self.summary($0, test, pictures, start) } } ?? []
    if let last = tests.last, !scores.isEmpty, !pictures.isEmpty, let data = try? data.get() {
      // Results that do not fit the set, which may have changed, have no curves.
      let measure = DetectionMeasure(last.metric, data)
      scores[0].curves = (try? measure.curves(ofResults: Self.results(folder))) ?? []
    }
    page = DetectionPage(
      .init(
        name: history.name,
        lead: history.lead("\(start.config.detector.rawValue) detector, \(start.config.arch.rawValue)"),
        state: history.state, classNames: start.classes, pictures: pictures, scores: scores,
        steps: history.steps, settings: history.settings))
    let reason: [String] =
      if case .failure(let error) = found { ["The worst misses: \(error)"] } else { [] }
    missing = reason + page.missing
  }

  private static func testSet(_ start: RunEvent.TaskStart<DetectConfig>, test: String?) throws
    -> DetectionDataset
  {
    guard let spec = test ?? start.testData else {
      throw RunError("the log does not say where the test images are; name them with --images")
    }
    return try DetectionDataset.open(spec, start.config.testOptions(classes: start.classes))
  }

  private static func results(_ folder: String) -> String { joined(folder, RunFolder.resultsName) }

  /// The test images with the objects of the set and the detections of `results.json`.
  private static func pictures(_ folder: String, _ data: DetectionDataset) throws -> [DetectionPicture] {
    let results = try COCOResults(Self.results(folder)).rows
    let classes = Dictionary(data.categoryIDs.enumerated().map { ($1, $0) }) { first, _ in first }
    var detections: [Int: [DetectionPicture.Detection]] = [:]
    for row in 0..<results.count where results.hasBox(row) {
      guard let index = classes[results.categoryID(row)] else { continue }
      let box = results.box(row), score = results.score(row)
      let place = BoundingBox(x: box[0], y: box[1], width: box[2], height: box[3])
      detections[results.imageID(row), default: []].append(
        .init(box: place, classIndex: index, score: score.isFinite ? score : 0, mask: mask(results, row)))
    }
    return data.images.enumerated().map { index, image in
      DetectionPicture(
        name: image.name, path: image.path, width: image.width, height: image.height,
        truth: data.objects(index).map { .init($0) }, detections: detections[image.id] ?? [])
    }
  }

  /// Nil where there is none, or none that can be drawn.
  private static func mask(_ rows: COCORows, _ row: Int) -> InstanceMask? {
    switch rows.segmentation(row) {
    case .none: nil
    case .polygons(let polygons): .polygons(polygons)
    case .runLengths(let text, let height, let width):
      (try? RunLengthMask(compressed: text, height: height, width: width)).map { .runLengths($0) }
    }
  }

  // MARK: - Numbers of the log

  private static func summary(
    _ scores: DetectionScores, _ test: RunEvent.Detection, _ pictures: [DetectionPicture],
    _ start: RunEvent.TaskStart<DetectConfig>
  ) -> DetectionSummary {
    func share(_ name: String) -> Double? { scores[name].map { $0 / 100 } }
    var objects = [Int](repeating: 0, count: start.classes.count)
    for truth in pictures.lazy.flatMap(\.truth)
    where !truth.isIgnored && objects.indices.contains(truth.classIndex) {
      objects[truth.classIndex] += 1
    }
    let counts = Dictionary(zip(start.classes, objects)) { first, _ in first }
    let sizes = [("small", "APs"), ("medium", "APm"), ("large", "APl")].map {
      DetectionSummary.Size(name: $0, ap: share($1))
    }
    return DetectionSummary(
      metric: test.metric.rawValue, compared: words(scores.kind), ap: share("AP"), ap50: share("AP50"),
      ap75: share("AP75"), sizes: sizes.contains { $0.ap != nil } ? sizes : [],
      classes: scores.classes.map { one in
        func value(_ index: Int) -> Double? {
          one.values.indices.contains(index) ? one.values[index].map { $0 / 100 } : nil
        }
        return .init(name: one.name, objects: counts[one.name] ?? 0, ap: value(0), ap50: value(1))
      })
  }

  private static func words(_ kind: DetectionScores.Kind) -> String {
    switch kind {
    case .bbox: "boxes"
    case .segm: "masks"
    case .keypoints: "keypoints"
    }
  }
}
