import Torch

/// What training sees, step after step: two views of the next images, on the training device.
public final class ViewPipeline {
  /// Views of the same images, N×3×S×S each.
  public struct Pair {
    public let query: Tensor
    public let key: Tensor
    /// The image of each row, by its number in the data set, as the sampler chose it. Where an image could not be
    /// read another is shown under its number.
    public let samples: [Int]
    /// Seconds spent waiting for data.
    public fileprivate(set) var waited: Double
  }

  enum Origin {
    case loader(DataLoader)
    case device(DeviceCache)
  }

  private let origin: Origin
  private let sampler: EpochSampler
  private let recipes: [Transform]
  private let augment: Augmenter
  private var next: (epoch: Int, batch: Int)
  private var order: (epoch: Int, samples: [Int])?
  private let device: Device
  /// Where the next pair is made while a step runs.
  private let aside: DeviceStream?
  private var prepared: Result<Made, any Error>?

  /// A pair that a device may still be making.
  private struct Made {
    let pair: Pair
    let batch: Batch?  // whose bytes it reads
  }

  /// Images that come from decoding threads.
  ///
  /// - Parameters:
  ///   - loader: Starts where training does.
  ///   - sampler: The loader's.
  ///   - recipe: The loader's.
  ///   - device: Where the views are made.
  public convenience init(_ loader: DataLoader, sampler: EpochSampler, recipe: MultiViewTransform, device: Device) {
    self.init(.loader(loader), sampler: sampler, recipe: recipe, device: device, next: (0, 0))
  }

  /// Images that lie on the device; the views are the same as a loader's.
  ///
  /// - Parameters:
  ///   - cache: The images.
  ///   - sampler: Orders them.
  ///   - recipe: Makes the views.
  ///   - device: Where the images are.
  ///   - epoch: Where to start.
  ///   - batch: Place in that epoch.
  public convenience init(
    _ cache: DeviceCache, sampler: EpochSampler, recipe: MultiViewTransform, device: Device, epoch: Int, batch: Int
  ) {
    self.init(.device(cache), sampler: sampler, recipe: recipe, device: device, next: (epoch, batch))
  }

  /// - Parameter preparesAnywhere: On a CPU, where nothing runs beside a step, ``prepare()`` does nothing otherwise.
  init(
    _ origin: Origin, sampler: EpochSampler, recipe: MultiViewTransform, device: Device,
    next: (epoch: Int, batch: Int), preparesAnywhere: Bool = false
  ) {
    (self.origin, self.sampler, self.device, self.next) = (origin, sampler, device, next)
    recipes = recipe.views
    augment = Augmenter(views: recipes, seed: sampler.seed, device: device)
    let hasStreams = if case .cuda = device { true } else { preparesAnywhere }
    aside = hasStreams ? DeviceStream(on: device, isUrgent: true) : nil
    aside?.wait(for: .current(on: device))  // what every pair needs was made there
  }

  /// Images that could not be read so far.
  public var badFiles: [BadFile] {
    switch origin {
    case .loader(let loader): loader.badFiles
    case .device(let cache): cache.badFiles
    }
  }

  /// The next pair; nil after a loader's last.
  ///
  /// - Throws: ``LoaderError``, `TorchError`.
  public func pair() throws -> Pair? {
    guard let prepared else { return try make(asynchronously: false)?.pair }
    self.prepared = nil
    let made = try prepared.get()
    let began = ContinuousClock.now
    try withTorchErrors {
      aside?.wait()  // it was made beside the step before, and its batch may go now
      let current = DeviceStream.current(on: device)
      current.recordStream(made.pair.query)
      current.recordStream(made.pair.key)
    }
    var pair = made.pair
    pair.waited += (ContinuousClock.now - began) / .seconds(1)
    return pair
  }

  /// Begins the next pair where its images are there: to be called when the device has been asked for a step and is not
  /// done with it, so that both go on side by side. What fails is thrown by the next ``pair()``.
  public func prepare() {
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
      let views = try withTorchErrors { augment.pair(batch, asynchronously: asynchronously) }
      return Made(
        pair: Pair(query: views.query, key: views.key, samples: batch.drawIndices, waited: batch.waited),
        batch: batch)
    case .device(let cache):
      let (epoch, samples) = nextSamples()
      let views = try withTorchErrors {
        let pixels = try cache.views(samples, recipes, seed: sampler.seed, epoch: epoch)
        return augment(pixels, samples: samples, epoch: epoch)
      }
      return Made(pair: Pair(query: views[0], key: views[1], samples: samples, waited: 0), batch: nil)
    }
  }

  private func nextSamples() -> (epoch: Int, samples: [Int]) {
    if next.batch == sampler.batchesPerEpoch { next = (next.epoch + 1, 0) }
    let (epoch, batch) = next
    let samples = order.flatMap { $0.epoch == epoch ? $0.samples : nil } ?? sampler.order(epoch: epoch)
    order = (epoch, samples)
    next.batch += 1
    return (epoch, Array(samples[sampler.positions(ofBatch: batch)]))
  }
}
