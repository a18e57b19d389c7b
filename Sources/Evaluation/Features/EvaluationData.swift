import Data
import Files
import Foundation
import Images
import Models
import Torch

/// A labelled set of images, prepared for evaluation: resized, centre-cropped, not augmented.
package struct EvaluationData {
  package let dataset: Dataset
  /// The data set's path as it was given.
  package let path: String
  /// The same for every name of it.
  let location: URL
  private(set) var input: EvaluationInput
  /// Whether it is one rank's share of a set.
  private var isShare = false
  /// The side of an image in pixels.
  package var size: Int { input.view.size }

  /// - Parameters:
  ///   - path: A data set.
  ///   - input: The encoder's image settings.
  ///   - split: The part of a set that has both, such as a folder of IDX files.
  ///   - limit: The maximum number of images, evenly spaced.
  package init(_ path: String, split: DatasetSplit, input: EvaluationInput, limit: Int? = nil) throws {
    let all = try Dataset.open(
      path,
      OpeningOptions(split: split, decoder: input.decoder, imageKey: input.imageKey, retries: input.retries),
      allowsOneImage: true)
    if let limit, all.shards?.isRandomAccess == false {
      throw UsageError(
        "\(path): of packed shards and commands not just \(limit) images can be read, only all in sequence. "
          + "Leave the limit out, or unpack the shards.")
    }
    dataset = limit.map { all.subset(to: $0) } ?? all
    self.path = path
    location = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    self.input = input
  }

  private init(_ dataset: Dataset, of set: EvaluationData) {
    (self.dataset, path, location, input) = (dataset, set.path, set.location, set.input)
  }

  /// The subset with the chosen labels.
  /// - Parameter seed: For the choice.
  func choosing(_ labels: LabelSubset, seed: UInt64) throws -> EvaluationData {
    guard labels != .all else { return self }
    guard dataset.shards?.isRandomAccess ?? true else {
      throw UsageError(
        "\(location.path): of packed shards and commands not just some images can be read, only all in sequence. "
          + "Give --labels 100%, or unpack the shards.")
    }
    return EvaluationData(dataset.subset(try labels.chosen(of: dataset, seed: seed)), of: self)
  }

  /// Raises an error if the sets' labels cannot be compared.
  /// - Parameter purpose: The task that needs them, as the beginning of a sentence.
  static func checkLabels(_ train: EvaluationData, _ test: EvaluationData, for purpose: String) throws {
    for set in [train, test] where !set.dataset.isLabeled {
      throw UsageError(
        "\(set.location.path): \(purpose) needs labels, and "
          + (set.dataset.labelProblem.map { "\($0)." }
            ?? "these are images without classes. Give class folders, a list with labels, or shards with labels.")
      )
    }
    let lacking = [missing(in: test, of: train), missing(in: train, of: test)].compactMap(\.self)
    guard lacking.isEmpty else {
      throw UsageError(
        "the classes of \(train.location.path) (\(train.dataset.classNames.count)) and of \(test.location.path) "
          + "(\(test.dataset.classNames.count)) are not the same: \(lacking.joined(separator: "; ")). Give sets with the "
          + "same classes.")
    }
    guard train.dataset.classNames == test.dataset.classNames else {
      throw UsageError(
        "\(train.location.path) and \(test.location.path) have the same classes in another order, so that their labels "
          + "differ. Give both in one form, such as class folders.")
    }
  }

  /// Which of the other's classes a set lacks, and why; nil where it has all of them.
  private static func missing(in set: EvaluationData, of other: EvaluationData) -> String? {
    let names = Set(set.dataset.classNames)
    let missing = other.dataset.classNames.filter { !names.contains($0) }
    guard !missing.isEmpty else { return nil }
    let shown = missing.prefix(5).map { name in
      name + (set.dataset.leftOut.reason(for: name).map { " (\($0))" } ?? "")
    }
    let more = missing.count > 5 ? " and \(grouped(missing.count - 5)) more" : ""
    return
      "\(set.location.path) lacks \(grouped(missing.count)) of \(grouped(other.dataset.classNames.count)): "
      + shown.joined(separator: ", ") + more
  }

  /// "40 training images of 2 classes and 20 test images of 2".
  package static func sizes(_ train: EvaluationData, _ test: EvaluationData) -> String {
    let (learned, tested) = (train.dataset.classCount, test.dataset.classCount)
    return "\(train.dataset.count) training images of \(learned) class\(learned == 1 ? "" : "es") and "
      + "\(test.dataset.count) test images of \(tested)"
  }

  /// Images that are encoded at once.
  static let batchSize = 256

  /// Whether both sets contain the same images.
  func isSame(as other: EvaluationData) -> Bool {
    location == other.location && dataset.split == other.dataset.split && dataset.count == other.dataset.count
  }

  /// An encoder's features, M×C, and the labels.
  /// - Parameters:
  ///   - encoder: It is in evaluation mode during the call.
  ///   - layer: The layer of the features.
  ///   - device: The encoder's device.
  ///   - progress: Called with the number of finished images and the total. May throw, to break off.
  package func features(
    of encoder: ImageEncoder, layer: FeatureLayer = .pooled, on device: Device,
    progress: (_ done: Int, _ all: Int) throws -> Void = { _, _ in }
  ) throws -> ImageFeatures {
    try layer.validate(for: encoder)
    let wasTraining = encoder.isTraining
    encoder.train(false)
    defer { encoder.train(wasTraining) }
    return try encoded(on: device, input.normalization, progress) { layer.output(of: encoder, $0) }
  }

  /// The pixels themselves as features, 0 … 1.
  package func pixels(on device: Device) throws -> ImageFeatures {
    let untouched = Normalization(mean: [0, 0, 0], std: [1, 1, 1])
    return try encoded(on: device, untouched, { _, _ in }) { x in x.contiguous().reshaped([x.shape[0], -1]) }
  }

  /// Only these images. However many of them cannot be read, it is for others to judge.
  func subset(_ range: Range<Int>) -> EvaluationData {
    var some = EvaluationData(dataset.subset(Array(range)), of: self)
    some.input.maxBad = Fraction(value: 1)
    some.isShare = true
    return some
  }

  var unreadable: RunError { RunError("\(location.path): none of the images can be read.") }

  private func encoded(
    on device: Device, _ normalization: Normalization, _ progress: (Int, Int) throws -> Void,
    _ encode: (Tensor) -> Tensor
  ) throws -> ImageFeatures {
    let images = EvaluationImages(
      dataset, input.view, normalization: normalization, batchSize: Self.batchSize, workers: input.workers,
      maxBad: input.maxBad, retries: input.retries, device: device)
    var rows: [Tensor] = []
    var samples: [Int] = []
    while let batch = try images.next() {
      rows.append(try withTorchErrors { withNoGrad { encode(batch.images) } })
      samples += batch.samples
      try progress(samples.count + images.badFiles.count, dataset.count)
    }
    guard !rows.isEmpty else {
      guard isShare else { throw unreadable }
      return ImageFeatures(features: .zeros([0, 0]), samples: [], labels: [], unreadable: images.badFiles)
    }
    return ImageFeatures(
      features: try withTorchErrors { .concatenated(rows) }, samples: samples,
      labels: samples.map { dataset.label($0) ?? 0 }, unreadable: images.badFiles)
  }
}

/// Features of the images that could be read.
package struct ImageFeatures {
  /// M×C
  package let features: Tensor
  /// The index of each row's image in the data set.
  package let samples: [Int]
  package let labels: [Int]
  /// Images that are left out because they could not be read.
  package let unreadable: [BadFile]

  var labelled: LabelledFeatures { LabelledFeatures(features: features, labels: labels) }
}
