import Backbones
import Evaluation
import Foundation
import Torch
import Views

/// A labelled set of images as an encoder sees it in evaluation: resized, centre-cropped, not augmented.
public struct EvaluationSet {
  public let dataset: Dataset
  /// The samples taken, in path order.
  public let indices: [Int]
  private let location: URL
  private let size: Int
  private let normalization: Normalization
  private let workers: Int

  /// - Parameters:
  ///   - split: which part of a set that has both, such as a folder of IDX files.
  ///   - limit: at most so many images, evenly spaced.
  public init(_ path: String, split: DatasetSplit, config: RunConfig, limit: Int? = nil) throws {
    dataset = try Dataset.open(path, split: split)
    location = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    let count = dataset.count
    let taken = min(limit ?? count, count)
    indices = (0..<taken).map { $0 * count / taken }
    size = config.imageSize
    normalization = config.views.normalization
    workers = config.workerCount
  }

  var labels: [Int] { indices.map { dataset.label($0) ?? -1 } }

  /// Refuses sets whose labels cannot be compared.
  static func checkLabels(_ train: EvaluationSet, _ test: EvaluationSet) throws {
    for set in [train, test] where set.dataset.classNames.isEmpty {
      throw UsageError(
        "\(set.dataset.summary): kNN needs labels. Give a folder of class folders, or IDX or CIFAR files.")
    }
    guard train.dataset.classNames == test.dataset.classNames else {
      throw UsageError(
        "the classes of --train (\(train.dataset.classNames.count)) and --test "
          + "(\(test.dataset.classNames.count)) are not the same.")
    }
  }

  /// Whether both hold the very same images.
  func isSame(as other: EvaluationSet) -> Bool {
    location == other.location && dataset.split == other.dataset.split && indices == other.indices
  }

  /// An encoder's pooled features, M×C, and the labels.
  public func features(of encoder: ResNet, on device: Device) throws -> LabelledFeatures {
    let wasTraining = encoder.isTraining
    encoder.train(false)
    defer { encoder.train(wasTraining) }
    return try gather(on: device) { encoder.features($0).to(.float32) }
  }

  /// The pixels themselves as features, 0 … 1.
  public func pixels(on device: Device) throws -> LabelledFeatures {
    let mean = Tensor(normalization.mean.map(Float.init), shape: [1, 3, 1, 1], on: device)
    let deviation = Tensor(normalization.std.map(Float.init), shape: [1, 3, 1, 1], on: device)
    return try gather(on: device) { x in
      (x * deviation + mean).contiguous().reshaped([x.shape[0], -1])
    }
  }

  private func gather(on device: Device, _ encode: (Tensor) -> Tensor) throws -> LabelledFeatures {
    let pass = try EvaluationPass(
      dataset, indices: indices, imageSize: size, normalization: normalization, batchSize: 256, workers: workers)
    var rows: [Tensor] = []
    while let batch = try pass.next() {
      rows.append(try withTorchErrors { try withNoGrad { encode(try pass.images(of: batch, on: device)) } })
    }
    return LabelledFeatures(features: try withTorchErrors { .concatenated(rows) }, labels: labels)
  }
}
