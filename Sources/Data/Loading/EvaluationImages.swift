import Torch

/// Images for a network in evaluation, with the numbers that identify them in their data set.
public struct ImageBatch {
  /// N×3×S×S float32, normalised, channels last in memory.
  public let images: Tensor
  /// The image of each row, by its number in the data set.
  public let samples: [Int]
  /// Of each row's image: see ``Dataset/name(_:)``.
  public let names: [String]
  /// Of each row's image: see ``Dataset/label(_:)``.
  public let labels: [Int?]
}

/// Every image of a data set once, in order, in normalised batches, resized and cropped as an ``EvaluationView`` says.
///
/// ```swift
/// let images = EvaluationImages(try Dataset.open("photos"), imageSize: 224, normalization: .imageNet)
/// var features: [Tensor] = []
/// while let batch = try images.next() {
///   features.append(withNoGrad { encoder(batch.images) })  // N×C
///   print(batch.names)
/// }
/// print("left out:", images.badFiles)
/// ```
public final class EvaluationImages {
  public let dataset: Dataset
  private let loader: DataLoader
  private let prepare: ColorAugmenter

  /// - Parameters:
  ///   - dataset: The images.
  ///   - imageSize: Pixels of the network's input side.
  ///   - normalization: Of the network.
  ///   - resizing: see ``EvaluationView/resizing``.
  ///   - interpolation: the filter of the resizing.
  ///   - batchSize: Images of a batch; the last one is smaller.
  ///   - workers: Threads that decode; one for each core unless given.
  ///   - maxBad: A larger share of unreadable images is an error; fewer are left out.
  ///   - device: Where the images are wanted.
  public convenience init(
    _ dataset: Dataset, imageSize: Int, normalization: Normalization, resizing: Resizing? = nil,
    interpolation: Interpolation = .bilinear, batchSize: Int = 64, workers: Int? = nil,
    maxBad: Fraction = .fivePercent, device: Device = .cpu
  ) {
    self.init(
      dataset, EvaluationView(size: imageSize, resizing: resizing, interpolation: interpolation),
      normalization: normalization, batchSize: batchSize, workers: workers, maxBad: maxBad, device: device)
  }

  package init(
    _ dataset: Dataset, _ view: EvaluationView, normalization: Normalization, batchSize: Int, workers: Int?,
    maxBad: Fraction, device: Device
  ) {
    self.dataset = dataset
    loader = DataLoader(
      evaluating: dataset, view: view, batchSize: batchSize, workers: workers ?? defaultWorkers,
      maxBad: maxBad, device: device)
    prepare = ColorAugmenter(ViewShape(side: view.size), normalization: normalization, device: device)
  }

  /// Images that could not be read so far.
  public var badFiles: [BadFile] { loader.badFiles }

  /// The next images, one or more; nil after the last.
  ///
  /// - Throws: ``LoaderError``, `TorchError`.
  public func next() throws -> ImageBatch? {
    while let batch = try loader.next() {
      guard batch.count > 0 else { continue }
      return ImageBatch(
        images: try withTorchErrors { prepare(batch.views[0]) }, samples: batch.indices,
        names: batch.indices.map { dataset.name($0) }, labels: batch.indices.map { dataset.label($0) })
    }
    return nil
  }
}
