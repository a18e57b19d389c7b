import Data
import Evaluation
import Files
import Foundation
import Images
import Training

/// The page of a run of `moco segment`, at any time of the run.
package struct SegmentationReport {
  package let page: SegmentationPage
  /// The missing parts, one sentence each.
  package let missing: [String]

  /// Whether a folder holds a segmenter's run.
  package static func isSegmentation(_ folder: String) -> Bool { history(folder).start != nil }

  private static func history(_ folder: String) -> TaskHistory<SegmentConfig> {
    TaskHistory(folder) { if case .segmenter(let start) = $0 { start } else { nil } }
  }

  /// - Parameters:
  ///   - folder: the run's.
  ///   - test: the test set, where it lies elsewhere by now than the log says.
  /// - Throws: `UsageError` where there is no segmenter's run, or no data set where `test` names one.
  package init(run folder: String, test: String? = nil) throws {
    let history = Self.history(folder)
    guard let start = history.start else {
      throw UsageError(
        "\(folder): no run of `moco segment` has begun here. Give the folder that its --out named.")
    }
    let tests = history.events.compactMap { if case .segmentation(let test) = $0 { test } else { nil } }
    let found = Result { try Self.worst(folder, start, test: test, isTested: !tests.isEmpty) }
    if let test, case .failure(let error as DatasetError) = found {
      throw UsageError("--images \(test): \(error).")
    }
    let shown = try? found.get()
    let confusion = Result { try ConfusionTable(contentsOf: joined(folder, RunFolder.confusionName)) }
    page = try SegmentationPage(
      .init(
        name: history.name, lead: history.lead("FCN, \(start.config.arch.rawValue)"), state: history.state,
        classNames: start.classes,
        palette: shown?.palette ?? [], pictures: shown?.pictures ?? [],
        test: tests.last.map { ($0.images, $0.scores) }, confusion: try? confusion.get(),
        steps: history.steps, settings: history.settings))
    missing = [
      Self.reason("The worst images", found), tests.isEmpty ? nil : Self.reason("The confusion", confusion),
    ].compactMap(\.self)
  }

  private static func reason<Value>(_ part: String, _ result: Result<Value, any Error>) -> String? {
    if case .failure(let error) = result { "\(part): \(error)" } else { nil }
  }

  /// The test images with the largest shares of wrong pixels, and the set's colours.
  private static func worst(
    _ folder: String, _ start: RunEvent.TaskStart<SegmentConfig>, test: String?, isTested: Bool
  ) throws -> (pictures: [SegmentationPicture], palette: [SIMD3<UInt8>]) {
    guard let spec = test ?? start.testData else {
      throw RunError("the log does not say where the test images are; name them with --images")
    }
    let data = try SegmentationTask.testSet(spec, start.config, classes: start.classes, like: nil)
    guard isTested else { return ([], data.palette) }
    let predictions = joined(folder, RunFolder.predictionsName)
    let paths = SegmentationMeasure.names(of: data).map { joined(predictions, $0) }
    let unread = data.images.indices.filter { !FileManager.default.fileExists(atPath: paths[$0]) }
    guard unread.count < data.count else {
      throw RunError("\(predictions) holds no label map of these images")
    }
    let measure = SegmentationMeasure(data, predictions: predictions)
    let shares = try measure.measured(without: Set(unread)).images
    let wrong = shares.enumerated().compactMap { index, share -> (index: Int, share: Double)? in
      guard let share, share.right < share.of else { return nil }
      return (index, Double(share.of - share.right) / Double(share.of))
    }
    let worst = wrong.sorted { ($0.share, $1.index) > ($1.share, $0.index) }.prefix(SegmentationPage.shown)
    let pictures = try worst.map { index, _ in
      let example = try data.example(index)
      let file = try LabelMap.read(paths[index], limits: data.decoder.limits)
      return SegmentationPicture(
        name: data.images[index].name,
        image: RGBImage(width: example.width, height: example.height, pixels: example.pixels),
        truth: example.labels, prediction: measure.classes(of: file))
    }
    return (pictures, data.palette)
  }
}
