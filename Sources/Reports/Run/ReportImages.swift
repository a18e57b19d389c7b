import Data
import Evaluation
import Files
import Foundation
import Images
import Torch
import Weights

/// Images with a run's features, for the neighbours, the attention and the map.
struct ReportImages {
  let data: EvaluationData
  /// That of the newest checkpoint.
  let encoder: TrainedEncoder
  let device: Device
  /// Unit features, N×C float32.
  let features: Tensor
  /// The place of each row's image in the data set.
  let samples: [Int]
  let labels: [Int]
  /// Where the images are from, as text.
  let origin: String

  /// The run's newest checkpoint and its images: those given, or the run's kNN test images, or its training images.
  init(_ record: RunHistory, _ options: HTMLReport.Options, progress: @escaping (Int, Int) -> Void) throws {
    let saved = try? FileManager.default.contentsOfDirectory(atPath: record.folder + "/checkpoints")
    guard saved?.contains(where: { $0.hasPrefix("step-") }) == true else {
      throw RunError("the run has saved no checkpoint yet")
    }
    device = try options.device.resolve()
    encoder = try TrainedEncoder(record.folder, on: device)
    var config = record.config
    config.workers = options.workers ?? config.workers
    let (path, split) = try ReportImages.source(record, options)
    let limit = options.limit ?? (config.imageSize <= 64 ? 2000 : 400)
    data = try EvaluationData(path, split: split, input: config.evaluationInput, limit: limit)
    let encoded = try data.features(of: encoder.network, on: device, progress: progress)
    guard encoded.samples.count > 1 else { throw RunError("\(path): one image has no neighbours.") }
    features = try withTorchErrors { l2Normalized(encoded.features).to(.cpu) }
    (samples, labels) = (encoded.samples, encoded.labels)
    let unread = encoded.unreadable.isEmpty ? "" : " (\(encoded.unreadable.count) could not be read)"
    origin = "\(grouped(encoded.samples.count)) images of \(path)\(unread)"
  }

  private static func source(
    _ record: RunHistory, _ options: HTMLReport.Options
  ) throws -> (path: String, split: DatasetSplit) {
    if let images = options.images { return (images, options.split) }
    let noted =
      record.knnTestPath.map { ($0, DatasetSplit.test) }
      ?? record.dataPath.map { ($0, DatasetSplit.train) }
    guard let noted else {
      throw RunError("this log does not say where the images are; name them with --images")
    }
    // The log may come from another person.
    guard !ShardPattern.runsCommands(noted.0) else {
      throw RunError(
        "the images came from a command, and a report runs no command of a log; name images with --images")
    }
    return noted
  }

  /// The step of the checkpoint, as the end of a sentence.
  var afterStep: String { encoder.step.map { " after step \(grouped($0))" } ?? "" }

  /// Rows of ten images that are shown on their own: classes in turn, or evenly spaced.
  var examples: [Int] {
    let (count, all) = (10, samples.count)
    if isLabelled { return NeighbourSheet.stratified(labels, count: count) }
    return (0..<min(count, all)).map { $0 * all / min(count, all) }
  }

  /// The first eight of these: what the network sees in them is shown beside them.
  var shown: [Int] { Array(examples.prefix(8)) }
  /// Pixels of the side of such a picture, at most.
  static let side = 224

  var isLabelled: Bool { data.dataset.isLabeled && data.dataset.classNames.count > 1 }
  func className(_ row: Int) -> String { data.dataset.classNames[labels[row]] }
  func name(_ row: Int) -> String { data.dataset.name(samples[row]) }
  /// The class, or the name where there are no classes.
  func caption(_ row: Int) -> String { isLabelled ? className(row) : name(row) }
}

extension RGBImage {
  /// A square picture as a whole, but no larger than `side` pixels.
  func reduced(to side: Int) throws -> RGBImage {
    width <= side ? self : try evaluationView(EvaluationView(size: side, resizing: .squash))
  }
}
