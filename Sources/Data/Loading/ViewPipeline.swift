import Files
import Foundation
import Torch

/// Augmented views of the same images, on the training device.
public struct AugmentedBatch {
  /// N×3×H×W float32 each, normalised, channels last in memory; as many as the transform has.
  public let views: [Tensor]
  /// The image of each row, by its number in the data set, as the sampler chose it. Where an image could not be
  /// read another is shown under its number.
  public let samples: [Int]
  /// Seconds spent waiting for data.
  public fileprivate(set) var waited: Double
}

/// The input of training, step after step: augmented views of the next images, on the training device.
///
/// ```swift
/// let dataset = try Dataset.open("photos")
/// let transform = AugmentationPreset.v2.transform(imageSize: 224)
/// let pipeline = ViewPipeline(dataset, transform, batchSize: 256, epochs: 200, seed: 0)
/// while let batch = try pipeline.next() {
///   // batch.views: two tensors, 256×3×224×224
/// }
/// ```
///
/// Each epoch shows every image once, in a new random order; images that do not fill a batch are left out. The same
/// seed gives the same batches.
public final class ViewPipeline {
  enum Origin {
    case loader(DataLoader)
    case device(DeviceCache)
  }

  private let origin: Origin
  private let sampler: EpochSampler
  private let transforms: [Transform]
  private let augment: Augmenter
  private var position: (epoch: Int, batch: Int)
  private let orders: EpochOrders
  private let device: Device
  /// Where the next batch is made while a step runs.
  private let aside: DeviceStream?
  private var prepared: Result<Made, any Error>?

  /// A batch that a device may still be making.
  private struct Made {
    let batch: AugmentedBatch
    let bytes: Batch?  // which it is made of
  }

  /// Batches for a training loop.
  ///
  /// - Parameters:
  ///   - dataset: The images.
  ///   - transform: How their views are made.
  ///   - batchSize: Images of a batch, at most as many as there are.
  ///   - epochs: Passes over the images; nil goes on for ever.
  ///   - seed: Of the order and of all random draws.
  ///   - workers: Threads that decode; one for each core unless given.
  ///   - maxBad: A larger share of unreadable images is an error; fewer are replaced by others.
  ///   - device: Where the views are wanted.
  public convenience init(
    _ dataset: Dataset, _ transform: MultiViewTransform, batchSize: Int, epochs: Int? = nil, seed: UInt64 = 0,
    workers: Int? = nil, maxBad: Fraction = .fivePercent, device: Device = .cpu
  ) {
    let sampler = EpochSampler(dataset, batchSize: batchSize, seed: seed)
    let loader = DataLoader(
      dataset, views: transform.views, sampler: sampler, workers: workers ?? defaultWorkers, endEpoch: epochs,
      maxBad: maxBad, device: device)
    self.init(loader, sampler: sampler, transform: transform, device: device)
  }

  /// Images that come from decoding threads.
  ///
  /// - Parameters:
  ///   - loader: Starts where training does.
  ///   - sampler: The loader's.
  ///   - transform: The loader's.
  ///   - device: Where the views are made.
  package convenience init(
    _ loader: DataLoader, sampler: EpochSampler, transform: MultiViewTransform, device: Device
  ) {
    self.init(.loader(loader), sampler: sampler, transform: transform, device: device, next: (0, 0))
  }

  /// Images that lie on the device; the views are the same as a loader's.
  ///
  /// - Parameters:
  ///   - cache: The images.
  ///   - sampler: Orders them.
  ///   - transform: Makes the views.
  ///   - device: Where the images are.
  ///   - epoch: Where to start.
  ///   - batch: Place in that epoch.
  package convenience init(
    _ cache: DeviceCache, sampler: EpochSampler, transform: MultiViewTransform, device: Device, epoch: Int,
    batch: Int
  ) {
    self.init(.device(cache), sampler: sampler, transform: transform, device: device, next: (epoch, batch))
  }

  /// - Parameter preparesAnywhere: On a CPU, where nothing runs beside a step, ``prepare()`` does nothing otherwise.
  init(
    _ origin: Origin, sampler: EpochSampler, transform: MultiViewTransform, device: Device,
    next: (epoch: Int, batch: Int), preparesAnywhere: Bool = false
  ) {
    (self.origin, self.sampler, self.device, position) = (origin, sampler, device, next)
    orders = EpochOrders(sampler)
    transforms = transform.views
    augment = Augmenter(views: transforms, seed: sampler.seed, device: device)
    let hasStreams = if case .cuda = device { true } else { preparesAnywhere }
    aside = hasStreams ? DeviceStream(on: device, isUrgent: true) : nil
    aside?.wait(for: .current(on: device))  // the tensors that every batch needs were made there
  }

  public var batchesPerEpoch: Int { sampler.batchesPerEpoch }

  /// Images that could not be read so far.
  public var badFiles: [BadFile] {
    switch origin {
    case .loader(let loader): loader.badFiles
    case .device(let cache): cache.badFiles
    }
  }

  /// Shards that broke since the last call, a sentence each.
  package func takeWarnings() -> [String] {
    if case .loader(let loader) = origin { loader.takeWarnings() } else { [] }
  }

  /// The next batch; nil after the last.
  ///
  /// - Throws: ``LoaderError``, `TorchError`.
  public func next() throws -> AugmentedBatch? {
    guard let prepared else { return try make(asynchronously: false)?.batch }
    self.prepared = nil
    let made = try prepared.get()
    let began = ContinuousClock.now
    try withTorchErrors {
      aside?.wait()  // it was made beside the step before, and its bytes may be released now
      let current = DeviceStream.current(on: device)
      for view in made.batch.views { current.recordStream(view) }
    }
    var batch = made.batch
    batch.waited += (ContinuousClock.now - began) / .seconds(1)
    return batch
  }

  /// Begins the next batch where its images are there. Call it when a step has been queued on the device and is not
  /// done, so that both go on side by side. An error is thrown by the next ``next()``.
  package func prepare() {
    guard let aside, prepared == nil, isReady else { return }
    do {
      prepared = try withTorchErrors { try aside.run(on: device) { try make(asynchronously: true) } }
        .map { .success($0) }
    } catch {
      prepared = .failure(error)
    }
  }

  private var isReady: Bool {
    switch origin {
    case .loader(let loader): loader.isReady
    case .device: true
    }
  }

  private func make(asynchronously: Bool) throws -> Made? {
    switch origin {
    case .loader(let loader):
      guard let batch = try loader.next() else { return nil }
      let views = try withTorchErrors { augment(batch, asynchronously: asynchronously) }
      return Made(
        batch: AugmentedBatch(views: views, samples: batch.drawIndices, waited: batch.waited), bytes: batch)
    case .device(let cache):
      let (epoch, samples) = nextSamples()
      let views = try withTorchErrors {
        let pixels = try cache.views(samples, transforms, seed: sampler.seed, epoch: epoch)
        return augment(pixels, samples: samples, epoch: epoch)
      }
      return Made(batch: AugmentedBatch(views: views, samples: samples, waited: 0), bytes: nil)
    }
  }

  private func nextSamples() -> (epoch: Int, samples: [Int]) {
    if position.batch == sampler.batchesPerEpoch { position = (position.epoch + 1, 0) }
    let (epoch, batch) = position
    position.batch += 1
    return (epoch, orders.samples(epoch: epoch, batch: batch))
  }
}

/// Decoding threads where their number is not given.
var defaultWorkers: Int { Cores.usable }
